// The model's hosts with a registry among them: new members wait for their one-time URL, whoever runs is registered, and
// the alias follows the leader until somebody takes it.
import type { MemberFact, MemberIntent, Outcome, Request } from '@leafward/shared/gen/domain.js';
import { HOSTS, World } from './model.js';

export const NETWORK = 'loop.vertex.link';

export interface AhaManifestOptions {
  readonly members?: readonly (readonly [string, string, string?])[];
  readonly aha?: string;
}

export function ahaManifest(options: AhaManifestOptions = {}): string {
  const members = options.members ?? [
    ['00.cortex', 'alpha'],
    ['01.cortex', 'bravo', '00.cortex'],
    ['02.cortex', 'charlie', '01.cortex'],
  ];
  const provision = `    provision: { aha: aha, network: ${NETWORK} }`;
  return [
    'fleet: loop',
    'hosts:',
    ...HOSTS.map((host) => `  ${host}:`),
    'services:',
    '  cortex:',
    '    kind: synapse',
    '    image: synapse-cortex:2.113.0',
    provision,
    '    after: [axon]',
    '    members:',
    ...members.map(
      ([name, host, upstream], index) =>
        `      ${name}: { host: ${host}, ports: { telepath: ${27500 + index}, https: ${4500 + index} }${upstream === undefined ? '' : `, upstream: ${upstream}`} }`,
    ),
    '  axon:',
    '    kind: synapse',
    '    image: synapse-axon:2.113.0',
    provision,
    '    members: { 00.axon: { host: delta } }',
    '  aha:',
    '    kind: synapse',
    `    image: synapse-aha:${options.aha ?? '2.180.0'}`,
    `    environment: { SYN_AHA_AHA_NETWORK: ${NETWORK}, SYN_AHA_DNS_NAME: aha.${NETWORK} }`,
    '    members: { 00.aha: { host: alpha } }',
  ].join('\n');
}

export class AhaWorld extends World {
  /** By member: it has been given a URL, or has started with it. */
  readonly places = new Map<string, 'offered' | 'done'>();
  /** Names of somebody else's. */
  readonly strangers = new Map<string, boolean>();
  /** Members whose first start is cut short, so often. */
  readonly interrupted = new Map<string, number>();
  /** By alias: who took it. */
  readonly taken = new Map<string, string>();
  /** The next URL is lost on its way. */
  losesUrl = false;
  /** What becomes of each request in turn: an agent or a controller that ends takes what it knows with it. */
  faults: readonly string[] = [];
  /** Everybody has run for an hour. */
  aged = false;
  readonly asked: Extract<Request, { kind: 'provision-service' }>[] = [];

  override reconcile(host: string): void {
    const machine = this.machine(host);
    const { intent } = machine;
    if (intent === undefined || machine.off) return;
    const isReady = (one: MemberIntent): boolean =>
      one.provision === undefined || this.places.has(one.member);
    machine.intent = { ...intent, members: intent.members.filter(isReady) };
    super.reconcile(host);
    machine.intent = intent;
    for (const [name, cell] of machine.cells)
      if (this.places.get(name) === 'offered' && cell.running) this.started(host, name);
  }

  private started(host: string, name: string): void {
    const left = this.interrupted.get(name) ?? 0;
    this.places.set(name, 'done');
    if (left === 0) return;
    // It dies between its certificates and its first answer; its agent wipes what is there.
    this.interrupted.set(name, left - 1);
    this.places.delete(name);
    this.machine(host).cells.delete(name);
  }

  override carryOut(host: string, crash: 'no' | 'before' | 'after' = 'no'): void {
    const machine = this.machine(host);
    const open = Object.values(this.requests).find(
      (state) => state.host === host && !machine.outcomes.has(state.request.id),
    );
    const result = open && this.answer(open.request);
    if (open === undefined || result === undefined) return super.carryOut(host, crash);
    machine.outcomes.set(open.request.id, {
      requestId: open.request.id,
      state: 'succeeded',
      startedAt: this.now,
      finishedAt: this.now,
      changes: [],
      ...result,
    });
  }

  private answer(request: Request): Partial<Outcome> | undefined {
    if (request.kind === 'provision-service' || request.kind === 'take-provision') {
      const [fault, ...rest] = this.faults;
      this.faults = rest;
      if (fault === 'late' && request.kind === 'take-provision')
        this.places.set(request.member, 'offered');
      if (fault === 'unknown' || fault === 'late')
        return { state: 'unknown', message: 'its agent ended' };
      if (fault === 'lost' && request.kind === 'take-provision')
        return { state: 'failed', code: 'not-found', message: 'lost on its way' };
    }
    switch (request.kind) {
      case 'provision-service': {
        this.asked.push(request);
        if (this.strangers.has(`${request.name}.${request.network}`))
          return { state: 'failed', code: 'refused', message: 'the name is taken' };
        return {};
      }
      case 'take-provision':
        if (this.losesUrl || request.secretFrom === undefined) {
          this.losesUrl = false;
          return { state: 'failed', code: 'not-found', message: 'lost on its way' };
        }
        this.places.set(request.member, 'offered');
        return {};
      case 'restart-member':
        this.acts.push(`restart ${request.member} ${request.runId}`);
        this.cell(request.member).runId += 1;
        this.taken.clear();
        return {};
      default:
        return undefined;
    }
  }

  override report(host: string): void {
    super.report(host);
    const machine = this.machine(host);
    if (machine.off || !machine.connected) return;
    const seen = { ...this.facts[host] };
    for (const intent of machine.intent?.members ?? [])
      if (intent.provision !== undefined && !machine.cells.has(intent.member))
        seen[intent.member] = { value: this.waiting(intent), receivedAt: this.now };
    for (const [name, { value, receivedAt }] of Object.entries(seen))
      seen[name] = { value: this.withPlace(name, this.withAge(value)), receivedAt };
    this.facts[host] = seen;
  }

  private waiting({ member, service, term }: MemberIntent): MemberFact {
    return {
      member,
      service,
      seenAt: this.now,
      container: { state: 'absent' },
      engine: { answered: false },
      storage: { provisioning: 'needed' },
      term,
      starts: 0,
      startsSinceRetired: 0,
      waits: [],
      refusals: [],
    };
  }

  private withAge(fact: MemberFact): MemberFact {
    const { container } = fact;
    return this.aged
      ? { ...fact, container: { ...container, startedAt: this.now - 3_600_000 } }
      : fact;
  }

  private withPlace(name: string, fact: MemberFact): MemberFact {
    if (name === '00.aha' && fact.engine.answered)
      return { ...fact, engine: { ...fact.engine, registry: { entries: this.entries() } } };
    const place = this.places.get(name);
    if (place === undefined) return fact;
    const provisioning = place === 'done' ? ('done' as const) : ('begun' as const);
    return { ...fact, storage: { ...fact.storage, provisioning } };
  }

  private entries() {
    const entryOf = (name: string, run: string, online: boolean, iden = 'own') => ({
      name,
      run,
      iden,
      online,
    });
    const cells = [...this.machines.values()].flatMap((machine) =>
      [...machine.cells].filter(([name, { running }]) => name !== '00.aha' && running),
    );
    const runOf = (name: string, runId: number): string => `${name}#${runId}`;
    const members = cells.map(([name, { runId }]) =>
      entryOf(`${name}.${NETWORK}`, runOf(name, runId), true),
    );
    const aliases = cells
      .filter(([, { active }]) => active)
      .map(([name, { runId }]) => {
        const alias = name.slice(name.indexOf('.') + 1);
        const thief = this.taken.get(alias);
        return entryOf(`${alias}.${NETWORK}`, thief ?? runOf(name, runId), thief === undefined);
      });
    const strangers = [...this.strangers].map(([name, online]) =>
      entryOf(name, 'other', online, 'other'),
    );
    return [...members, ...aliases, ...strangers];
  }
}

/** All of it deployed, with time to settle. */
export function deployedAha(options: AhaManifestOptions = {}): AhaWorld {
  const world = new AhaWorld(HOSTS);
  world.round();
  const ended = world.apply({ kind: 'deploy', manifest: ahaManifest(options) });
  if (ended.state !== 'done') throw new Error(`it does not come up: ${ended.reason ?? ''}`);
  for (let count = 0; count < 5; count += 1) world.round();
  return world;
}
