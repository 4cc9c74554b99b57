// Writes packages/shared/src/gen/domain.ts: the domain's types as readonly data, one for each message of
// the protocol, so that what the code speaks of and what crosses the wire cannot drift apart.
// Enums become kebab-case strings, a oneof named "kind" becomes a tagged union, int64 becomes a number.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createFileRegistry, fromBinary, ScalarType } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';

const image = execFileSync(
  'npx',
  ['--no-install', 'buf', 'build', 'proto', '-o', '-#format=binpb'],
  {
    stdio: ['ignore', 'pipe', 'ignore'],
  },
);
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, image));
const files = [...registry.files].filter((file) => file.name.startsWith('leafward/'));

const kebab = (name) => name.toLowerCase().replaceAll('_', '-');
const numbers = new Set([
  ScalarType.DOUBLE,
  ScalarType.FLOAT,
  ScalarType.INT32,
  ScalarType.INT64,
  ScalarType.UINT32,
  ScalarType.UINT64,
]);
const scalar = (type) =>
  numbers.has(type)
    ? 'number'
    : type === ScalarType.BOOL
      ? 'boolean'
      : type === ScalarType.BYTES
        ? 'Uint8Array'
        : 'string';
const single = (field) =>
  field.message ? field.message.name : field.enum ? field.enum.name : scalar(field.scalar);

function typeOf(field) {
  if (field.fieldKind === 'list')
    return `readonly ${field.listKind === 'scalar' ? scalar(field.scalar) : field.listKind === 'enum' ? field.enum.name : field.message.name}[]`;
  if (field.fieldKind === 'map')
    return `Readonly<Record<string, ${field.mapKind === 'scalar' ? scalar(field.scalar) : field.mapKind === 'enum' ? field.enum.name : field.message.name}>>`;
  return single(field);
}
const isOptional = (field) => field.proto.proto3Optional === true;
const property = (field) =>
  `  readonly ${field.localName}${isOptional(field) ? '?' : ''}: ${typeOf(field)}${isOptional(field) ? ' | undefined' : ''};\n`;

function writeMessage(message) {
  const kind = message.oneofs.find((oneof) => oneof.name === 'kind');
  const common = message.fields.filter((field) => !field.oneof || field.proto.proto3Optional);
  const body = common.map(property).join('');
  if (!kind) return `export interface ${message.name} {\n${body}}\n`;
  const shared = common.length > 0 ? `interface ${message.name}Common {\n${body}}\n` : '';
  const variants = kind.fields.map(
    (field) =>
      `({ readonly kind: '${kebab(field.name)}' }${common.length > 0 ? ` & ${message.name}Common` : ''} & ${field.message.name})`,
  );
  return `${shared}export type ${message.name} =\n  | ${variants.join('\n  | ')};\n`;
}
function writeEnum(type) {
  const prefix = type.sharedPrefix ?? '';
  const names = type.values
    .map((value) => value.name.toLowerCase().slice(prefix.length))
    .filter((name) => name !== 'unspecified')
    .map((name) => `'${kebab(name)}'`);
  return `export type ${type.name} = ${names.join(' | ')};\n`;
}

const methodKinds = {
  unary: 'unary',
  server_streaming: 'server-stream',
  client_streaming: 'client-stream',
  bidi_streaming: 'bidi',
};
function writeService(service) {
  const methods = service.methods.map(
    (method) =>
      `  readonly ${method.localName}: { readonly kind: '${methodKinds[method.methodKind]}'; readonly request: ${method.input.name}; readonly response: ${method.output.name} };\n`,
  );
  return `export interface ${service.name} {\n${methods.join('')}}\n`;
}

let text = '// Made by scripts/generate-domain.mjs from proto/leafward/v1; do not edit.\n\n';
for (const file of files.sort((a, b) => a.name.localeCompare(b.name)))
  text +=
    [
      ...file.enums.map(writeEnum),
      ...file.messages.map(writeMessage),
      ...file.services.map(writeService),
    ].join('\n') + '\n';
writeFileSync('packages/shared/src/gen/domain.ts', text);
