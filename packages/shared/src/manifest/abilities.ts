// What Leafward can do with a service of some kind. Pure. A missing command takes an ability away; whoever refuses
// for want of one says which commands are missing.
import type { ExecEngine } from '../gen/domain.js';
import type { Shape } from './kinds.js';

export type Ability =
  | 'mirror'
  | 'backup'
  | 'restore'
  | 'reseed'
  | 'reseed-from-backup'
  | 'promote-gracefully'
  | 'hand-over-by-stopping'
  | 'promote-by-force'
  /** Members of other hosts can be asked whether the leader answers. */
  | 'witness'
  | 'compare-histories'
  /** Databases of a stopped member are made compact. */
  | 'optimize'
  /** A backup of a stopped member. */
  | 'back-up-cold';

/** Names of an exec kind's commands; docs/engines/exec.md says what each gets and answers. */
export const READ_COMMANDS = [
  'status',
  'identity',
  'role',
  'upstream',
  'linked',
  'position',
  'ready',
  'writable',
  'version',
  'dataSize',
  'history',
] as const;
/** Run by another member's host, to ask the leader of its service. */
export const WITNESS_COMMANDS = ['answers'] as const;
/** These look at, or write into, the storage of a stopped member. */
export const STORED_COMMANDS = [
  'storedUpstream',
  'storedPosition',
  'setUpstream',
  'clearUpstream',
  'coldBackup',
  'optimize',
] as const;
export const ACT_COMMANDS = [
  'backup',
  'restore',
  'seed',
  'promote',
  'forcePromote',
  'repoint',
  'fence',
  'stop',
] as const;
/** These change something; the others only look. */
export const isAct = (command: string): boolean =>
  ['setUpstream', 'clearUpstream', 'coldBackup', 'optimize', ...ACT_COMMANDS].includes(command);
/** These look at a member that runs. */
export const isLiveLook = (command: string): boolean =>
  (READ_COMMANDS as readonly string[]).includes(command);

export const COMMANDS = [
  ...READ_COMMANDS,
  ...WITNESS_COMMANDS,
  ...STORED_COMMANDS,
  ...ACT_COMMANDS,
] as const;
export type CommandName = (typeof COMMANDS)[number];

/** Each ability needs one of these sets, complete. */
const NEEDS: Readonly<Record<Ability, readonly (readonly CommandName[])[]>> = {
  mirror: [['role', 'position', 'storedUpstream', 'setUpstream', 'clearUpstream']],
  backup: [['backup']],
  restore: [['restore']],
  reseed: [['seed']],
  'reseed-from-backup': [['restore', 'position', 'history', 'storedUpstream', 'setUpstream']],
  'promote-gracefully': [['promote']],
  'hand-over-by-stopping': [
    ['forcePromote', 'storedPosition', 'setUpstream'],
    ['forcePromote', 'fence', 'position', 'setUpstream'],
  ],
  'promote-by-force': [['forcePromote']],
  witness: [['answers']],
  'compare-histories': [['history']],
  optimize: [['optimize']],
  'back-up-cold': [['coldBackup']],
};

interface KindOf {
  readonly shape: Shape;
  readonly exec?: ExecEngine | undefined;
}

/** Empty: it can. Else the commands that its kind lacks (of the set that lacks fewest), or a sentence's end. */
export function missingFor(ability: Ability, kind: KindOf): readonly string[] {
  if (kind.shape === 'stack')
    return ability === 'backup' || ability === 'restore' ? [] : ['a tree of mirrors'];
  const { exec } = kind;
  if (exec === undefined) return ability === 'hand-over-by-stopping' ? ['no need'] : [];
  const lacks = NEEDS[ability].map((set) => set.filter((name) => !(name in exec.commands)));
  return [...lacks].sort((a, b) => a.length - b.length)[0] ?? [];
}

export const isAble = (ability: Ability, kind: KindOf): boolean =>
  missingFor(ability, kind).length === 0;
