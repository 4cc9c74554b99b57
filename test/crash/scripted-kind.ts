// A kind of a few shell scripts, whose seed takes its time and whose program writes down what it was started on.
import type { ExecCommand, ExecEngine, MemberIntent } from '@leafward/shared/gen/domain.js';

/** Of a seed: how many files a whole copy has. */
const FILES = 12;

/**
 * Its program: notes in `$STARTS` whether all of a copy was there, and whether anything of the old leader was. Its own
 * data are the copy's, made by itself where it leads and there is nothing.
 */
export const PROGRAM = `#!/bin/sh
cd "$STORAGE" || exit 1
if [ ! -s upstream ] && [ ! -e of-old-leader ]; then touch of-old-leader whole; fi
old=no; if [ -e of-old-leader ]; then old=yes; fi
half=no; if [ ! -e whole ]; then half=yes; fi
echo "as=$(cat upstream 2>/dev/null) old=$old half=$half" >> "$STARTS"
trap 'exit 0' TERM
while :; do sleep 0.05; done
`;

const shell = (script: string, deadlineMs = 10_000): ExecCommand => ({
  steps: [{ run: ['sh', '-c', script], place: 'member', deadlineMs, maxOutputBytes: 65_536 }],
  format: 'plain',
});

/** One file after the other, so that it can be cut anywhere; begins only in an empty storage. */
const SEED = `set -e
[ -z "$(ls | grep -v '^backups$')" ] || { echo "not empty: $(ls)" >&2; exit 1; }
printf %s "$UPSTREAM" > upstream
for file in $(seq ${FILES}); do echo $file > part-$file; echo "file $file"; sleep 0.02; done
touch whole
`;

export const scriptedExec: ExecEngine = {
  positions: 'number',
  commands: {
    identity: shell('echo scripted'),
    role: shell('if [ -s upstream ]; then echo mirror; else echo leader; fi'),
    position: shell('ls | grep -c part- || true'),
    storedUpstream: shell('cat upstream 2>/dev/null || true'),
    setUpstream: shell("printf %s '{upstreamUrl}' > upstream"),
    clearUpstream: shell('rm -f upstream'),
    storedPosition: shell('ls | grep -c part- || true'),
    seed: shell(SEED, 60_000),
    restore: shell("cp -r '{backup}'/. . && rm -f upstream", 60_000),
  },
};

export function scriptedIntent(options: {
  readonly storage: string;
  readonly starts: string;
  readonly image: { readonly reference: string; readonly digest: string };
  readonly changes?: Partial<MemberIntent>;
}): MemberIntent {
  const { storage, starts, image } = options;
  return {
    member: '00.db',
    service: 'db',
    spec: {
      kind: 'scripted',
      runtime: 'process',
      image,
      command: ['{image}'],
      environment: {
        PATH: process.env['PATH'] ?? '/usr/bin:/bin',
        STORAGE: storage,
        STARTS: starts,
        UPSTREAM: 'tcp://new-leader',
      },
      mounts: [],
      storage,
      storageTarget: storage,
      networkMode: 'host',
      limits: {},
      ports: {},
      stopGraceMs: 5000,
      engineOptions: {},
    },
    run: 'running',
    role: 'leader',
    term: 1,
    mirrored: true,
    boot: 'wait',
    isolation: { onIsolation: 'keep', leaseMs: 5000 },
    exec: scriptedExec,
    ...options.changes,
  };
}

export const NEW_LEADER = { member: '01.db', url: 'tcp://new-leader' };
