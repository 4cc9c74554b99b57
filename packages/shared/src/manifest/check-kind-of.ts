// Whether a service's kind exists and has the commands that its declaration needs. Pure; tells with paths.
import { missingFor } from './abilities.js';
import { checkKeysOfShape } from './check-stack.js';
import type { Tell } from './complete.js';
import { isBuiltIn, kindDefaults } from './kinds.js';
import type { Path } from './locate.js';
import { hostAndPortOf, placeholdersIn, portOf } from './placeholders.js';
import type { ServiceText } from './schema.js';
import type { ServiceDeclaration } from './types.js';

export function checkKindOf(
  service: ServiceDeclaration,
  text: ServiceText,
  described: readonly string[],
  tell: Tell,
): void {
  const { name, kind } = service;
  if (!isBuiltIn(kind) && !described.includes(kind)) {
    const own = described.length === 0 ? 'none yet' : [...described].sort().join(', ');
    tell(
      ['services', name, 'kind'],
      `there is no kind ${kind}: built in are ${Object.keys(kindDefaults).join(', ')}; kinds of this manifest: ${own}`,
    );
    return;
  }
  checkKeysOfShape(service, text, tell);
  if (service.exec === undefined) return;
  checkMirrors(service, tell);
  checkBackups(service, text, tell);
  checkValues(service, tell);
  checkBackupMounts(service, text, tell);
}

function checkMirrors(service: ServiceDeclaration, tell: Tell): void {
  const mirror = service.members.find((member) => member.upstream !== undefined);
  const missing = missingFor('mirror', service);
  if (mirror !== undefined && missing.length > 0)
    tell(
      ['services', service.name, 'kind'],
      `${mirror.name} is a mirror, and kind ${service.kind} cannot have any: it lacks ${commands(missing)}`,
    );
}

function checkBackups(service: ServiceDeclaration, text: ServiceText, tell: Tell): void {
  const missing = missingFor('backup', service);
  if (missing.length === 0) return;
  const at: Path = ['services', service.name];
  const said = `kind ${service.kind} lacks ${commands(missing)}`;
  if (text.backup !== undefined)
    tell([...at, 'backup'], `${said}: add it, or leave \`backup\` out`);
  for (const [member, own] of Object.entries(text.members))
    if (own.backupDirectory !== undefined)
      tell(
        [...at, 'members', member, 'backupDirectory'],
        `${said}: add it, or leave \`backupDirectory\` out`,
      );
  if (service.update.requireBackup)
    tell(
      text.update?.requireBackup === undefined
        ? [...at, 'kind']
        : [...at, 'update', 'requireBackup'],
      `no update could ever start, since it needs a backup (I6) and ${said}: add it, or say update: { requireBackup: false }`,
    );
}

/** What the commands' placeholders stand for must be there for every member. */
function checkValues(service: ServiceDeclaration, tell: Tell): void {
  const at: Path = ['services', service.name];
  const all = Object.entries(service.exec?.commands ?? {});
  for (const [command, { steps }] of all)
    for (const placeholder of placeholdersIn(steps.flatMap(({ run }) => run))) {
      const port = portOf(placeholder);
      // Whom nobody asks needs no URL for it.
      if (command === 'answers' && port === undefined) continue;
      const lacks = service.members.find(({ ports, url }) =>
        port === undefined ? !hasPart(url, placeholder) : !Object.hasOwn(ports, port),
      );
      if (lacks === undefined) continue;
      if (port !== undefined)
        tell(
          [...at, 'members', lacks.name],
          `${command} of kind ${service.kind} says {port.${port}}, and ${lacks.name} has no port of that name: add it to \`ports\``,
        );
      else if (service.members.length > 1)
        tell(
          [...at, 'upstreamUrl'],
          `${command} of kind ${service.kind} says {${placeholder}}, and ${lacks.name}'s URL has none: ${lacks.url || 'it is empty'}`,
        );
    }
}

/** What runs in a container sees a directory of the host only through a mount. */
function checkBackupMounts(service: ServiceDeclaration, text: ServiceText, tell: Tell): void {
  const inContainer = service.exec?.commands['backup']?.steps.some(
    ({ place, run }) => place === 'member' && placeholdersIn(run).includes('directory'),
  );
  if (service.runtime !== 'docker' || inContainer !== true) return;
  for (const { name, storage, mounts, backupDirectory } of service.members) {
    const sources = [storage, ...mounts.map(({ source }) => source)];
    if (backupDirectory === undefined || sources.some((path) => holds(path, backupDirectory)))
      continue;
    const own = text.members[name]?.backupDirectory !== undefined;
    tell(
      own
        ? ['services', service.name, 'members', name, 'backupDirectory']
        : ['services', service.name, 'backup', 'directory'],
      `backup of kind ${service.kind} runs in the container, and no mount of ${name} holds ${backupDirectory}: add one, or say where: host`,
    );
  }
}

const holds = (directory: string, path: string): boolean =>
  `${path}/`.startsWith(directory.endsWith('/') ? directory : `${directory}/`);

export function hasPart(url: string, placeholder: string): boolean {
  if (placeholder === 'upstream.host') return hostAndPortOf(url).host !== undefined;
  if (placeholder === 'upstream.port') return hostAndPortOf(url).port !== undefined;
  return true;
}

const commands = (missing: readonly string[]): string =>
  `the command${missing.length === 1 ? '' : 's'} ${missing.join(', ')}`;
