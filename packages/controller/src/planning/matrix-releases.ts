// What is known of Matrix Synapse's releases: which schema each brings, which schemas it can use, and what else an
// operator must know before crossing one. Pure data and the questions asked of it.
import semver from 'semver';

/** A release from which on the homeserver brings another schema, or refuses older code on it. */
export interface SchemaStep {
  readonly release: string;
  readonly schema: number;
  /** Code of an older schema than this cannot use the database any more. */
  readonly compatible: number;
}

/** Releases between two lines are as the one above. Before 1.37 there was no word on compatibility: its own only. */
export const MATRIX_SCHEMAS: readonly SchemaStep[] = [
  { release: '1.30.0', schema: 59, compatible: 59 },
  { release: '1.37.0', schema: 59, compatible: 59 },
  { release: '1.41.0', schema: 63, compatible: 59 },
  { release: '1.44.0', schema: 64, compatible: 59 },
  { release: '1.45.0', schema: 64, compatible: 60 },
  { release: '1.48.0', schema: 65, compatible: 61 },
  { release: '1.50.0', schema: 67, compatible: 61 },
  { release: '1.52.0', schema: 68, compatible: 66 },
  { release: '1.57.0', schema: 69, compatible: 66 },
  { release: '1.58.0', schema: 69, compatible: 69 },
  { release: '1.60.0', schema: 70, compatible: 69 },
  { release: '1.61.0', schema: 71, compatible: 69 },
  { release: '1.62.0', schema: 72, compatible: 71 },
  { release: '1.64.0', schema: 72, compatible: 72 },
  { release: '1.68.0', schema: 73, compatible: 72 },
  { release: '1.70.0', schema: 73, compatible: 73 },
  { release: '1.77.0', schema: 74, compatible: 73 },
  { release: '1.83.0', schema: 76, compatible: 74 },
  { release: '1.85.0', schema: 77, compatible: 76 },
  { release: '1.89.0', schema: 79, compatible: 76 },
  { release: '1.92.0', schema: 81, compatible: 80 },
  { release: '1.98.0', schema: 83, compatible: 83 },
];

/** What came after the last line is not in the table: nothing is said of it. */
const LAST_COVERED = '1.98.999';

/** Undefined for a release that the table does not cover, and for what is no version. */
export function matrixSchemaOf(version: string | undefined): SchemaStep | undefined {
  const release = semver.coerce(version);
  if (release === null || semver.gt(release, LAST_COVERED)) return undefined;
  return MATRIX_SCHEMAS.filter((step) => semver.lte(step.release, release)).at(-1);
}

/**
 * What an update does to the way back, in one sentence: code can use a database whose compatible schema is not above
 * its own. Leafward itself never goes back (I5); this is what a restore of the dump is measured against.
 */
export function matrixWayBack(from: string, to: string): string | undefined {
  const [before, after] = [matrixSchemaOf(from), matrixSchemaOf(to)];
  if (after === undefined)
    return `which schema ${to} brings is not in the table: take the database's backup for the only way back`;
  const oldest = MATRIX_SCHEMAS.find((step) => step.schema >= after.compatible)?.release;
  const change =
    before === undefined
      ? `the schema becomes ${after.schema}`
      : before.schema === after.schema
        ? `the schema stays ${after.schema}`
        : `the schema goes from ${before.schema} to ${after.schema}`;
  const isUsable = before !== undefined && before.schema >= after.compatible;
  return isUsable
    ? `${change} and stays usable from ${oldest ?? to} on, ${from} included`
    : `${change} and is usable from ${oldest ?? to} on only: the way back to ${from} is the database's backup, with what was written since lost`;
}
