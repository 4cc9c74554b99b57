// Which Synapse has what. Numbers are minor releases of 2.x, from its changelog and from measurements.

/** getCellInfo says the position from here on. */
export const POSITION_IN_INFO = 117;
/** getCellInfo says the run id from here on. */
export const RUN_IN_INFO = 157;
/** getCellInfo says the mirror URL, and a mirror of a mirror refuses a graceful promotion, from here on. */
export const MIRROR_IN_INFO = 185;
/** `limit:disk:free` is kept from here on. */
export const FREE_SPACE_LIMIT = 119;

/** Whether `version` (`2.185.0`) is 2.minor or later; undefined when it is unknown or no version. */
export function isAtLeast(version: string | undefined, minor: number): boolean | undefined {
  const parts = /^(\d+)\.(\d+)\./.exec(version ?? '');
  if (parts === null) return undefined;
  const major = Number(parts[1]);
  return major > 2 || (major === 2 && Number(parts[2]) >= minor);
}
