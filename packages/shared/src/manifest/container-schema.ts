// What a manifest says of a member's container beyond its spec: one that is there already, and scripts at its start.
import { z } from 'zod';

export const containerSchema = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/, 'the name of a container, as docker ps shows it')
  .describe(
    'A container that runs already and is taken over as it is, without a restart. Left out later: it is made anew by the spec.',
  );

const hook = (what: string) =>
  z
    .string()
    .min(2)
    .max(65_536)
    .regex(/^(#!|\/)/, 'a hook is a script that begins with "#!", or an absolute path on the host')
    .describe(what)
    .optional();

export const hooksSchema = z
  .strictObject({
    preboot: hook('Runs before the service, which does not start when it fails.'),
    concurrent: hook('Runs beside the service.'),
  })
  .describe(
    'Boot hooks of a synapse container, /vertex/boothooks/*.sh: a script as text, or the path of one on the host. Backups do not hold them.',
  );
