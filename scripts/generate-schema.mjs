// Writes deploy/fleet.schema.json from the schema that the parser uses, so that editors complete fleet.yaml.
// `--check` only says whether the file is current. Needs a build first.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format } from 'prettier';
import { manifestJsonSchema } from '../packages/shared/dist/manifest/schema.js';

const file = fileURLToPath(new URL('../deploy/fleet.schema.json', import.meta.url));
const text = await format(JSON.stringify(manifestJsonSchema()), {
  parser: 'json',
  printWidth: 100,
});

if (process.argv.includes('--check')) {
  if (readFileSync(file, 'utf8') !== text) {
    console.error('deploy/fleet.schema.json is not current: run node scripts/generate-schema.mjs');
    process.exit(1);
  }
} else writeFileSync(file, text);
