// The shape of fleet.yaml. Strict: a key that is not here is refused. Its JSON Schema is published for editors
// (deploy/fleet.schema.json), so every key has a description. Meaning across keys is checked in check.ts.
import { z } from 'zod';
import { backupSchema } from './backup-schema.js';
import { environmentSchema as environment } from './environment-schema.js';
import { loggingSchema } from './logging.js';
import { containerSchema, hooksSchema } from './container-schema.js';
import { kindsSchema } from './kinds-schema.js';
import { migrate020Schema } from './migrate-020.js';
import { absolutePath, duration, name, size } from './schema-parts.js';

const words = z.array(z.string().max(4096)).max(256);
const mounts = z
  .array(
    z.strictObject({
      source: absolutePath.describe('Directory or file of the host. Templates are filled in.'),
      target: absolutePath.describe('Where the container sees it.'),
      readOnly: z.boolean().describe('Whether it cannot write there. Default false.').optional(),
    }),
  )
  .max(64)
  .describe('Mounts beside the storage.');
const ports = z
  .record(name('a port’s name'), z.int().min(1).max(65_535))
  .describe('Ports by name, used as {port.NAME}; two members of one host never share one.');
const engine = z
  .record(z.string().regex(/^[A-Za-z][A-Za-z0-9]*$/), z.string().max(4096))
  .describe(
    'Options of the engine. synapse: leaderAlias, a URL that always means the leader; environmentPrefix, such as SYN_CORTEX_, where the image’s name does not tell it.',
  );

/** What a service says for all its members and a member may say for itself. */
const common = {
  storage: absolutePath
    .describe('Storage directory on the host. Templates: {service} {member} {host}.')
    .optional(),
  user: z.string().min(1).max(64).describe('User (or uid) of the program.').optional(),
  upstreamUrl: z
    .string()
    .min(1)
    .max(2048)
    .describe(
      'URL under which a member’s mirrors find it. Templates: {service} {member} {host} {address} {storage} {port.NAME}.',
    )
    .optional(),
  command: words
    .describe('Command instead of the image’s own; the process runtime needs one.')
    .optional(),
  environment: environment.optional(),
  logging: loggingSchema.optional(),
  mounts: mounts.optional(),
  ports: ports.optional(),
  engine: engine.optional(),
  hooks: hooksSchema.optional(),
};

export const memberSchema = z.strictObject({
  host: z.string().describe('Host that it runs on; a key of `hosts`.'),
  upstream: z
    .string()
    .describe('Member that it mirrors at first. The one member without it leads at first.')
    .optional(),
  ...common,
  backupDirectory: absolutePath.describe('Host directory for this member’s backups.').optional(),
  container: containerSchema.optional(),
});

const versions = (description: string) =>
  z
    .string()
    .max(256)
    .regex(
      /^(?:(?:[<>]=?|=|~|\^)?\s*\d+(?:\.\d+){0,2}(?:\s+|$|\s*\|\|\s*))+$/,
      'versions are a range such as "<1.57.0" or ">=1.57.0 <1.60.0"',
    )
    .describe(description);
const exceptionSchema = z.strictObject({
  from: versions('Versions that the update begins at.'),
  to: versions('Versions that it leads to.'),
  text: z.string().min(1).max(1000).describe('What an operator must know; shown in the plan.'),
});

const updateSchema = z.strictObject({
  strategy: z
    .enum(['leafs-first', 'low-downtime', 'whole-stack'], {
      error: 'a strategy is leafs-first, low-downtime or whole-stack',
    })
    .describe(
      'A tree of mirrors is updated leafs-first, or low-downtime: an updated mirror takes over before its leader is updated (synapse only). A stack of workers is updated whole-stack.',
    )
    .optional(),
  requireBackup: z
    .boolean()
    .describe('An update needs a fresh, complete backup. Default true.')
    .optional(),
  readyTimeout: duration('From start to ready, migrations excluded. Default 5m.'),
  catchUpTimeout: duration('From ready to caught up. Default 15m.'),
  migrationTimeout: duration(
    'A migrating member is never killed; after this the operation pauses and asks. Default 6h.',
  ),
  exceptions: z
    .array(exceptionSchema)
    .max(64)
    .describe('Releases that are not to be crossed unread, beside those that Leafward knows.')
    .optional(),
});

const failoverSchema = z.strictObject({
  mode: z
    .enum(['manual', 'automatic'], 'must be manual or automatic')
    .describe(
      'Who orders a failover: manual, an operator; automatic, the controller as well, by itself. Default manual.',
    )
    .optional(),
  restartAfter: duration(
    'automatic: how long an agent leaves a leader that died to the controller before it starts it again. Default 15s.',
  ),
  probe: z
    .string()
    .min(1)
    .max(2048)
    .describe(
      'automatic with onIsolation stop: URL under which hosts of other members ask whether the leader answers. Templates as in upstreamUrl, which is the default.',
    )
    .optional(),
  onIsolation: z
    .enum(['keep', 'stop'])
    .describe('What an agent does with a leader when it hears no controller. Default keep.')
    .optional(),
  lease: duration('How long a leader may go on without hearing a controller. Default 30s.'),
  renew: duration('How often the lease is renewed. Default a third of it.'),
  stopGrace: duration(
    'How long an isolated leader may take to stop before it is killed. Default the service’s stopGrace.',
  ),
  clockMargin: duration(
    'What the clocks of two hosts may differ by over lease and grace. Default 500ms and 1.2 % of both.',
  ),
});

export const serviceSchema = z.strictObject({
  kind: z
    .string({ error: 'a kind is the name of a built-in one or of one of `kinds`' })
    .min(1)
    .describe('How to talk to it: synapse, matrix-synapse, or one of `kinds`.'),
  image: z
    .string()
    .min(1, 'an image is needed')
    .max(1024)
    .describe('Image reference; for the process runtime an absolute path. Resolved once, pinned.'),
  runtime: z.enum(['docker', 'process']).describe('Default docker.').optional(),
  ...common,
  storageTarget: absolutePath.describe('Where the container sees its storage.').optional(),
  networkMode: z.string().min(1).max(128).describe('Docker network mode. Default host.').optional(),
  limits: z
    .strictObject({
      memory: size('Memory limit.'),
      openFiles: z
        .int()
        .min(64)
        .max(2 ** 20)
        .describe('Open files limit.')
        .optional(),
    })
    .describe('What it may take of its host.')
    .optional(),
  stopGrace: duration('How long a stop may take before it is killed. Default 2m.'),
  boot: z
    .enum(['wait', 'autonomous'])
    .describe('Whether a leader with mirrors waits for its permit at boot. Default wait.')
    .optional(),
  backup: backupSchema.describe('What backups have to be, and where they go.').optional(),
  update: updateSchema.describe('How it is updated, and what is waited for.').optional(),
  failover: failoverSchema
    .describe('Who takes over when a leader is lost, and when. Trees of mirrors only.')
    .optional(),
  compareEvery: duration(
    'How often an entry of the leader’s log is compared with its mirrors’. 0s: never. Default 5m.',
  ),
  provision: z
    .strictObject({
      aha: z.string().min(1).describe('Service that gives each new member its one-time URL.'),
      network: z
        .string()
        .regex(/^[a-z0-9]+(?:[.-][a-z0-9]+)*$/, 'a network is a name such as loop.vertex.link')
        .describe('Its network: SYN_AHA_AHA_NETWORK of that service.'),
    })
    .describe(
      'synapse: new members get name, certificates and ports from AHA before their first start; ports telepath and https are theirs.',
    )
    .optional(),
  migrate020: migrate020Schema.optional(),
  after: z.array(z.string()).max(64).describe('Services that this one needs.').optional(),
  members: z
    .record(name('a member’s name'), memberSchema)
    .refine((members) => Object.keys(members).length > 0, 'a service has at least one member')
    .describe('The running copies, by name.'),
});

export const hostSchema = z
  .strictObject({
    address: z
      .string()
      .min(1)
      .max(253)
      .regex(/^[A-Za-z0-9.:-]+$/, 'an address is a name or an IP address')
      .describe('Where other hosts reach it; {address} in templates.')
      .optional(),
  })
  .nullable();

export const manifestSchema = z.strictObject({
  fleet: name('a fleet’s name').describe('Name of the fleet; the controller’s.'),
  hosts: z.record(name('a host’s name'), hostSchema).describe('Enrolled machines, by name.'),
  kinds: kindsSchema.optional(),
  services: z.record(name('a service’s name'), serviceSchema).describe('Services, by name.'),
});

export type ManifestText = z.infer<typeof manifestSchema>;
export type ServiceText = z.infer<typeof serviceSchema>;
export type MemberText = z.infer<typeof memberSchema>;

/** The JSON Schema that editors complete fleet.yaml with. */
export function manifestJsonSchema(): object {
  return {
    ...z.toJSONSchema(manifestSchema, { io: 'input' }),
    title: 'Leafward fleet',
    description: 'What Leafward looks after: hosts, services and their members.',
  };
}
