// What the CLI draws, as text: pure renderers with inline goldens.
import { expect } from 'chai';
import fc from 'fast-check';
import type { MemberView, Move, Operation, Plan, Status } from '@leafward/shared/gen/domain.js';
import { renderFindings, renderTuning } from '@leafward/controller/cli/render/findings.js';
import { renderExplanations, renderPlans } from '@leafward/controller/cli/render/lists.js';
import { renderEvidence } from '@leafward/controller/cli/render/outlook.js';
import { describeMove } from '@leafward/controller/cli/render/move.js';
import { operationChanges, renderOperation } from '@leafward/controller/cli/render/operation.js';
import { renderPlan } from '@leafward/controller/cli/render/plan.js';
import { statusChanges } from '@leafward/controller/cli/render/status-changes.js';
import { inTreeOrder, renderStatus } from '@leafward/controller/cli/render/status.js';
import { colourPaint, plainPaint, type Style } from '@leafward/controller/cli/render/style.js';
import { renderTable } from '@leafward/controller/cli/render/table.js';
import { cleanText, clip, widthOf, wrap } from '@leafward/controller/cli/render/text.js';
import * as units from '@leafward/controller/cli/render/units.js';
import {
  doneOperation,
  failedOperation,
  finding,
  image,
  NOW,
  operation,
  plan,
  refusedPlan,
  status,
  wait,
} from './cli-fixture.js';

const wide: Style = { paint: plainPaint, columns: undefined, now: NOW };
const narrow: Style = { ...wide, columns: 78 };
const golden = (text: string): string => text.replace(/^\n/, '').replace(/\n *$/, '');

describe('the status screen', () => {
  it('shows the tree, what is wrong, the hosts and the operations', () => {
    expect(renderStatus(status, { ...wide, columns: 120 })).to.equal(
      golden(`
demo  1 service · 5 members · 3 of 4 hosts connected · 3 problems · 2026-11-21 12:00 UTC

cortex  synapse · term 3 · last backup 2 h ago (1.3 GiB from 01.cortex) · op-19
  MEMBER           HOST     ROLE     STATE      TERM  VERSION   POSITION  LAG  READY     DATA           FREE  SEEN
  00.cortex        alpha    leader   leading       3  2.113.0  1,204,331    –  yes    1.3 GiB  61 GiB (61 %)   2 s
  ├─ 01.cortex     bravo    mirror   mirroring     3  2.113.0  1,204,331    0  yes    1.3 GiB  61 GiB (61 %)   2 s
  │  └─ 03.cortex  bravo    mirror   behind        3  2.113.0  1,204,319   12  yes    1.3 GiB    5 GiB (5 %)   2 s
  └─ 02.cortex     charlie  mirror   mirroring     3  2.113.0  1,204,331    0  yes    1.3 GiB  61 GiB (61 %)   2 s
  09.cortex        delta    retired  retired       –  –                –    –  –      1.3 GiB  61 GiB (61 %)   2 s
  ✗ 03.cortex is 12 behind 01.cortex (leafward why 03.cortex)
  ✗ 09.cortex: retired at term 3: it must not start; reseed it to use it again (leafward why 09.cortex)

hosts  ● alpha   ● bravo (1 warning)   ● charlie (1 critical)   ✗ delta (silent for 4 min 10 s)
  ✗ delta: it is silent (leafward why delta)

operations
  op-19  update cortex to 2.150.0 (registry:5000/cortex:v2.150.0) · running for 1 min · by ada
    move 2 of 2: back up 01.cortex on bravo as 20261121T100000Z-01.cortex
    waits: 03.cortex is 12 behind 01.cortex [catching-up] (since 12 s, gives up in 14 min 48 s)
      to go on: it catches up by itself; if it does not, look at its log
      lag: 12 (wanted 0), seen 2 s ago
`),
    );
  });

  it('says a problem once, beside its member, and the fleet’s own at the top', () => {
    const beside = ['03.cortex: 03.cortex is 12 behind 01.cortex', 'delta: it is silent'];
    const text = renderStatus({ ...status, problems: ['two clocks differ', ...beside] }, wide);
    expect(text.split('\n')[0]).to.include('4 problems');
    expect(text.split('\n')[1]).to.equal('  ✗ two clocks differ');
    expect(text.match(/is 12 behind 01\.cortex \(/g)).to.have.length(1);
  });

  it('calls the members of a stack main and worker, and shows no term', () => {
    const [service] = status.services;
    const [leader, mirror] = service!.members;
    const stack = {
      ...service!,
      service: 'chat',
      kind: 'matrix-synapse',
      members: [
        { ...leader!, state: 'working' },
        { ...mirror!, role: 'worker' as const, state: 'working', lag: undefined },
      ],
    };
    const text = renderStatus({ ...status, services: [stack] }, wide);
    expect(text).to.match(/^chat {2}matrix-synapse · last backup/m);
    for (const row of [
      /00\.cortex +alpha +main +working +[–—-] /,
      /01\.cortex +bravo +worker +working +[–—-] /,
    ])
      expect(text).to.match(row);
  });

  it('marks a lag that is the most it can be', () => {
    const seenAt = (name: string): number => NOW - (name === '00.cortex' ? 0 : 2_000);
    const services = status.services.map((service) => ({
      ...service,
      members: service.members.map((each) => ({ ...each, seenAt: seenAt(each.member) })),
    }));
    expect(renderStatus({ ...status, services }, wide)).to.include('  ≤ 12  ');
  });

  it('keeps member, state and lag on a narrow terminal, and no line of a table is wider', () => {
    const table = renderStatus(status, narrow)
      .split('\n')
      .filter((line) => /MEMBER|0\d\.cortex +\w+ +\w+ +\w/.test(line));
    expect(table[0]).to.equal(
      '  MEMBER           HOST     ROLE     STATE      VERSION   POSITION  LAG',
    );
    for (const line of table) expect(widthOf(line)).to.be.at.most(78);
  });

  it('says what to do in an empty fleet', () => {
    const empty: Status = { ...status, services: [], hosts: [], operations: [] };
    expect(renderStatus(empty, wide)).to.equal(
      golden(`
demo  0 services · 0 members · 0 of 0 hosts connected · nothing is wrong · 2026-11-21 12:00 UTC

no service is deployed yet; declare them and run: leafward plan deploy fleet.yaml

no host is enrolled yet; invite one with: leafward host invite NAME
`),
    );
  });

  it('shows every member once, whatever the upstreams are', () => {
    const [first] = status.services[0]?.members ?? [];
    const names = ['a', 'b', 'c', 'd', 'e'];
    const upstream = fc.option(fc.constantFrom(...names, 'z'), { nil: undefined });
    fc.assert(
      fc.property(fc.array(upstream, { minLength: 5, maxLength: 5 }), (upstreams) => {
        const members = names.map((member, i) => ({ ...first, member, upstream: upstreams[i] }));
        const shown = inTreeOrder(members as MemberView[]).map(({ member }) => member.member);
        expect([...shown].sort()).to.deep.equal(names);
      }),
    );
  });
});

describe('changes of the status', () => {
  it('are one line each', () => {
    const [service] = status.services;
    const members = service?.members.map((member) =>
      member.member === '03.cortex'
        ? { ...member, state: 'mirroring', version: '2.150.0', problems: [] }
        : member,
    );
    const after: Status = {
      ...status,
      services: service === undefined ? [] : [{ ...service, term: 4, members: members ?? [] }],
      hosts: status.hosts.map((host) => ({ ...host, connected: true, problems: [] })),
      operations: [],
    };
    expect(statusChanges(status, after)).to.deep.equal([
      'host delta: connected',
      'host delta: ✓ no longer: it is silent',
      'cortex: term 3 → 4',
      '03.cortex on bravo: state behind → mirroring, version 2.113.0 → 2.150.0',
      '03.cortex: ✓ no longer: 03.cortex is 12 behind 01.cortex',
      'op-19: update cortex to 2.150.0 (registry:5000/cortex:v2.150.0) has ended',
    ]);
    expect(statusChanges(after, after)).to.deep.equal([]);
  });
});

describe('a plan', () => {
  it('ends with the command that carries it out', () => {
    expect(renderPlan(plan, narrow)).to.equal(
      golden(`
plan p-7c21: update cortex to 2.150.0 (registry:5000/cortex:v2.150.0) (made 3
     s ago)

gates
  ✓ backup: the last backup is 2 h old
      age: 2 h (wanted at most 24 h)

moves
  1  pull registry:5000/cortex:v2.150.0 on alpha, bravo, charlie, about 20 s
       because every host needs the image before anything stops
       digest aaaaaaaaaaaa
  2  back up 01.cortex on bravo as 20261121T100000Z-01.cortex, about 3 s
       because asked for

left alone
  = aha: not part of this plan

warnings
  ! the leader is down for about 9 s

2 moves, about 23 s in all; expected downtime: 9 s
next: leafward apply p-7c21
`),
    );
  });

  it('that is refused says why, with figures, and names no apply', () => {
    expect(renderPlan(refusedPlan, wide)).to.equal(
      golden(`
plan p-no: update cortex to 2.150.0 (registry:5000/cortex:v2.150.0) (made 3 s ago)

gates
  ✗ space: bravo has too little room

left alone
  = aha: not part of this plan

refused
  ✗ the backup would not fit [no-space] (01.cortex)
    to go on: free 12 GiB on bravo
      free: 3 GiB (wanted 15 GiB)

This plan cannot be applied: 2 reasons above. Nothing was changed.
next: leafward why cortex
`),
    );
  });

  it('with nothing to do says so', () => {
    const empty: Plan = { ...plan, moves: [], gates: [], warnings: [], unchanged: [] };
    expect(renderPlan(empty, wide)).to.match(/Nothing to do: everything is as wanted already\.$/);
  });

  it('shows what changes in a member, but no value of its environment', () => {
    const spec = { image, environment: { PASSWORD: 'hunter2' } };
    const common = { id: 'm', service: 'cortex', cause: 'image digest differs' };
    const move = {
      ...common,
      kind: 'recreate',
      member: '03.cortex',
      host: 'bravo',
      spec,
      fromVersion: '2.113.0',
      changes: [
        { path: 'image', before: 'v2.113.0', after: 'v2.150.0' },
        { path: 'environment.PASSWORD', before: 'hunter1', after: 'hunter2' },
      ],
    } as unknown as Move;
    const text = renderPlan({ ...plan, moves: [move] }, wide);
    expect(text).to.include('recreate 03.cortex on bravo: 2.113.0 → 2.150.0');
    expect(text, 'the versions say it').to.not.include('image: v2.113.0');
    expect(text).to.include('environment.PASSWORD: another value').and.not.include('hunter');
  });
});

describe('a move in one line', () => {
  const common = { id: 'm', service: 'cortex', cause: '' };
  const cases: readonly [string, object][] = [
    [
      'remove 03.cortex from bravo; its storage stays',
      { kind: 'remove', member: '03.cortex', host: 'bravo' },
    ],
    [
      'hand leadership over from 00.cortex to 01.cortex: term 4',
      { kind: 'hand-over', from: '00.cortex', to: '01.cortex', term: 4 },
    ],
    [
      'fence 00.cortex on alpha: retired at term 4',
      { kind: 'fence', member: '00.cortex', host: 'alpha', term: 4 },
    ],
    [
      'choose the most advanced of a, b; a as it looks now',
      { kind: 'choose', candidates: ['a', 'b'], expected: 'a' },
    ],
    ['promote the chosen mirror by force: term 4', { kind: 'force-promote', term: 4 }],
    ['re-point a, b to the new leader', { kind: 'repoint', members: ['a', 'b'] }],
  ];
  for (const [text, move] of cases)
    it(text, () => expect(describeMove({ ...common, ...move } as Move)).to.equal(text));
});

describe('an operation', () => {
  it('shows each move with its time, and the wait', () => {
    expect(renderOperation(operation, wide)).to.equal(
      golden(`
operation op-19: update cortex to 2.150.0 (registry:5000/cortex:v2.150.0)
running for 1 min · by ada · from plan p-7c21

  ✓ 1  pull registry:5000/cortex:v2.150.0 on alpha, bravo, charlie (10 s)
  ▸ 2  back up 01.cortex on bravo as 20261121T100000Z-01.cortex (30 s of about 3 s)
       waits: 03.cortex is 12 behind 01.cortex [catching-up] (since 12 s, gives up in 14 min 48 s)
         to go on: it catches up by itself; if it does not, look at its log
         lag: 12 (wanted 0), seen 2 s ago

follow it with: leafward operation watch op-19
`),
    );
  });

  it('paused by a failure says why and what to do', () => {
    expect(renderOperation(failedOperation, wide).split('\n').slice(3)).to.deep.equal([
      '  ✗ 1  pull registry:5000/cortex:v2.150.0 on alpha, bravo, charlie (30 s)',
      '       registry timed out after 30 s',
      '  · 2  back up 01.cortex on bravo as 20261121T100000Z-01.cortex (about 3 s)',
      '',
      'paused by a failure: the pull on bravo failed: registry timed out after 30 s',
      'next: leafward why op-19, then leafward operation resume op-19, or leafward operation abort op-19',
    ]);
  });

  it('tells each change once where nothing can be redrawn', () => {
    const pending: Operation = {
      ...operation,
      progress: operation.moves.map(() => ({ state: 'pending', attempt: 0, phase: 0 })),
    };
    expect(operationChanges(undefined, pending)).to.deep.equal([
      'op-19: update cortex to 2.150.0 (registry:5000/cortex:v2.150.0), 2 moves',
    ]);
    const second = 'move 2/2 back up 01.cortex on bravo as 20261121T100000Z-01.cortex';
    expect(operationChanges(pending, operation)).to.deep.equal([
      'move 1/2 pull registry:5000/cortex:v2.150.0 on alpha, bravo, charlie: done in 10 s',
      `${second}: begun`,
      `${second} waits: ${wait.message} [catching-up]; to go on: ${wait.unblock}`,
    ]);
    expect(operationChanges(operation, operation)).to.deep.equal([]);
    expect(operationChanges(operation, doneOperation)).to.deep.equal([
      `${second}: done in 30 s`,
      'op-19 is done',
    ]);
  });
});

describe('findings', () => {
  it('show severity first, and why and how to fix below', () => {
    const views = [
      { host: 'alpha', finding: { ...finding, severity: 'ok' as const, seen: '10' } },
      { host: 'charlie', finding },
    ];
    const data = { findings: views, silent: ['delta: silent for 4 min'] };
    const table = (rows: string): string =>
      `SEVERITY  HOST     CHECK              SUBJECT  SEEN  WANTED  AGE\n${rows}`;
    const bad = 'critical  charlie  sysctl-swappiness  charlie  60    10      5 s\n';
    const good = 'ok        alpha    sysctl-swappiness  charlie  10    10      5 s\n';
    expect(renderFindings(data, { all: true }, wide)).to.include(table(bad + good));
    expect(renderFindings(data, { all: false }, wide)).to.equal(
      golden(`
${table(bad)}
critical sysctl-swappiness on charlie
  why: pages of the memory map are swapped out and reads stall (the guide's section on performance)
  fix: set vm.swappiness to 10

not asked: delta: silent for 4 min

next: leafward host check charlie --fix (1 finding; add --dry-run to see before)

2 checks: 1 ok, 1 critical, 0 warnings (--all shows what is ok)
`),
    );
  });

  it('show before and after of a fix, and who overrides it', () => {
    const outcome = {
      requestId: 'r',
      state: 'succeeded' as const,
      startedAt: NOW,
      changes: [
        {
          check: 'sysctl',
          name: 'vm.swappiness',
          before: '60',
          after: '10',
          overriddenBy: '/etc/sysctl.d/99-tuned.conf',
          file: '/etc/sysctl.d/60-leafward.conf',
        },
      ],
    };
    expect(renderTuning({ host: 'alpha', outcome, dryRun: false, undo: false }, wide)).to.equal(
      golden(`
alpha: 1 value changed
  CHECK   NAME           BEFORE  AFTER  KEPT IN
  sysctl  vm.swappiness      60     10  /etc/sysctl.d/60-leafward.conf
  ! vm.swappiness is overridden by /etc/sysctl.d/99-tuned.conf; it will not last
`),
    );
  });
});

describe('evidence', () => {
  const seen = (name: string, value: string, ageMs: number, wanted?: string) => ({
    name,
    value,
    seenAt: NOW - ageMs,
    wanted,
  });

  it('is one line for what was seen together, a new one for the next member', () => {
    const lines = renderEvidence(
      [
        seen('member', '00.cortex', 1_000),
        seen('agent', 'connected', 3_000, 'connected'),
        seen('lag', '5', 3_000, '0'),
        seen('member', '01.cortex', 3_000),
        seen('position', '7', 60_000),
      ],
      '  ',
      wide,
    );
    expect(lines).to.deep.equal([
      '  member: 00.cortex · agent: connected · lag: 5 (wanted 0), seen 3 s ago',
      '  member: 01.cortex, seen 3 s ago',
      '  position: 7, seen 1 min ago',
    ]);
  });
});

describe('an explanation', () => {
  const good = { ...finding, severity: 'ok' as const };
  const explanation = {
    subject: '00.cortex',
    summary: 'it leads',
    facts: [],
    waits: [],
    refusals: [],
    findings: [good, finding],
  };

  it('counts the checks that found nothing wrong, and shows them when asked', () => {
    const text = renderExplanations([explanation], false, wide);
    expect(text).to.include('critical sysctl-swappiness').and.not.include('ok sysctl');
    expect(text).to.match(/\n1 check found nothing wrong \(--all shows them\)$/);
    expect(renderExplanations([explanation], true, wide)).to.include('ok sysctl-swappiness');
  });
});

describe('plans in a list', () => {
  it('say what became of them', () => {
    const text = renderPlans([plan, refusedPlan, { ...plan, id: 'p-0', moves: [] }], [], wide);
    expect(text).to.include('can be applied').and.include('refused').and.include('nothing to do');
    const later = renderPlans([plan], [doneOperation], wide);
    expect(later).to.include(`applied as ${doneOperation.id}`);
  });
});

describe('text on a terminal', () => {
  it('keeps to the width also where the first line begins later than the others', () => {
    const text = wrap('one two three four five six seven eight nine', {
      columns: 40,
      first: '    a long beginning: ',
      rest: '  ',
    });
    for (const line of text.split('\n')) expect(widthOf(line)).to.be.at.most(46);
    for (const line of text.split('\n').slice(1)) expect(widthOf(line)).to.be.at.most(40);
  });

  const someText = fc.string({ unit: 'grapheme', maxLength: 60 }).map(cleanText);

  it('is never wider than what it is cut to, with or without colours', () => {
    fc.assert(
      fc.property(someText, fc.integer({ min: 1, max: 40 }), (text, columns) => {
        expect(widthOf(clip(text, columns))).to.be.at.most(columns);
        expect(widthOf(clip(colourPaint('red', text), columns))).to.be.at.most(columns);
      }),
    );
  });

  it('loses no word when it is wrapped', () => {
    const words = fc.array(fc.stringMatching(/^[a-z]{1,12}$/), { minLength: 1 });
    fc.assert(
      fc.property(words, fc.integer({ min: 30, max: 80 }), (each, columns) => {
        const lines = wrap(each.join(' '), { columns, first: '  ' }).split('\n');
        for (const line of lines) expect(widthOf(line)).to.be.at.most(columns);
        expect(lines.join(' ').split(/ +/).filter(Boolean)).to.deep.equal(each);
      }),
    );
  });

  it('in a table gives up what matters least, then cuts what is elastic', () => {
    const table = {
      columns: [
        { title: 'NAME' },
        { title: 'TEXT', elastic: true },
        { title: 'EXTRA', sacrifice: 1 },
      ],
      rows: [['a', 'some words that are long', 'x']],
    };
    expect(renderTable(table, { ...wide, columns: 40 })).to.equal(
      'NAME  TEXT                      EXTRA\na     some words that are long  x',
    );
    expect(renderTable(table, { ...wide, columns: 30 })).to.equal(
      'NAME  TEXT               EXTRA\na     some words that …  x',
    );
    expect(renderTable(table, { ...wide, columns: 20 })).to.equal(
      'NAME  TEXT\na     some words th…',
    );
  });
});

describe('figures', () => {
  it('are short', () => {
    const { formatDuration, formatAge, formatBytes, formatCount, formatUntil } = units;
    expect([0, 8, 400, 12_000, 59_600, 200_000, 7_500_000, 3e8].map(formatDuration)).to.deep.equal([
      '0 ms',
      '8 ms',
      '0.4 s',
      '12 s',
      '1 min',
      '3 min 20 s',
      '2 h 5 min',
      '3 d 11 h',
    ]);
    expect([999, 61_000, 4e6, 9e8].map((ms) => formatAge(NOW - ms, NOW))).to.deep.equal([
      '0 s',
      '1 min',
      '1 h',
      '10 d',
    ]);
    expect(formatAge(undefined, NOW)).to.equal('–');
    expect(
      [0, 999, 1023, 5.2 * 2 ** 20, 88 * 2 ** 30, 999.9 * 2 ** 30].map(formatBytes),
    ).to.deep.equal(['0 B', '999 B', '1 KiB', '5.2 MiB', '88 GiB', '1000 GiB']);
    expect([0, 999, 1_000, 1_204_331].map(formatCount)).to.deep.equal([
      '0',
      '999',
      '1,000',
      '1,204,331',
    ]);
    expect(formatUntil(NOW + 60_000, NOW)).to.equal('in 1 min');
    expect(formatUntil(NOW - 60_000, NOW)).to.equal('1 min ago');
  });

  it('are read as they are written', () => {
    expect(['90s', '30m', '1h30m', '7d', '250ms', '2 h'].map(units.parseDuration)).to.deep.equal([
      90_000, 1_800_000, 5_400_000, 604_800_000, 250, 7_200_000,
    ]);
    for (const text of ['', 'soon', '5', '-3m', '1x', '1h?'])
      expect(units.parseDuration(text), text).to.equal(undefined);
    expect(units.parseMoment('2026-12-31', NOW)).to.equal(Date.UTC(2026, 11, 31));
    expect(units.parseMoment('tomorrow', NOW)).to.equal(undefined);
  });
});
