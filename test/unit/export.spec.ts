// What a manifest means for those who run without Leafward: compose files that import to the same members, and objects
// with the guide's probes. Never a secret's value, which is not known here.
import { expect } from 'chai';
import { parse, parseAllDocuments } from 'yaml';
import { parseManifest } from '@leafward/shared/manifest/parse.js';
import type { Manifest, MemberDeclaration } from '@leafward/shared/manifest/types.js';
import { importCompose } from '@leafward/controller/compose/import-compose.js';
import { readCompose } from '@leafward/controller/compose/read-compose.js';
import { exportCompose } from '@leafward/controller/export/compose.js';
import { exportKubernetes, objectName } from '@leafward/controller/export/kubernetes.js';

const TEXT = `fleet: loop
hosts: { alpha: , bravo: }
services:
  aha:
    kind: synapse
    image: vertexproject/synapse-aha:v2.113.0
    environment: { SYN_AHA_AHA_NAME: aha }
    ports: { telepath: 27492 }
    members:
      aha: { host: alpha }
  cortex:
    kind: synapse
    image: vertexproject/synapse-cortex:v2.113.0
    after: [aha]
    upstreamUrl: aha://{member}.loop
    engine: { leaderAlias: aha://cortex.loop }
    stopGrace: 90s
    limits: { memory: 2GiB, openFiles: 20000 }
    environment:
      SYN_LOG_LEVEL: INFO
      SYN_CORTEX_AUTH_PASSWD: { secret: cortex-root }
    mounts: [{ source: /etc/ssl, target: /etc/ssl, readOnly: true }]
    members:
      00.cortex: { host: alpha, hooks: { preboot: "#!/bin/sh\\ntrue" } }
      01.cortex: { host: bravo, upstream: 00.cortex, user: "1000", environment: { PRICE: 5$ } }
`;

const manifestOf = (text: string): Manifest => {
  const parsed = parseManifest(text);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return parsed.manifest;
};

const ALPHA = `# Host alpha. Values of secrets come from the shell or from .env beside this file.

services:
  aha:
    image: vertexproject/synapse-aha:v2.113.0
    user: "999"
    network_mode: host
    restart: unless-stopped
    stop_grace_period: 120s
    volumes:
      - /srv/syn/aha/storage:/vertex/storage
    environment:
      SYN_AHA_AHA_NAME: aha
  00.cortex:
    image: vertexproject/synapse-cortex:v2.113.0
    user: "999"
    network_mode: host
    restart: unless-stopped
    stop_grace_period: 90s
    depends_on:
      - aha
    volumes:
      - /srv/syn/00.cortex/storage:/vertex/storage
      - /etc/ssl:/etc/ssl:ro
      - ./boothooks/00.cortex/preboot.sh:/vertex/boothooks/preboot.sh:ro
    environment:
      SYN_LOG_LEVEL: INFO
      SYN_CORTEX_AUTH_PASSWD: \${CORTEX_ROOT:?the secret cortex-root}
    ulimits:
      nofile: 20000
    mem_limit: 2147483648b
`;

describe('an export as compose files', () => {
  it('is one file a host, as the guide has them, with references for secrets', () => {
    const { files, notes } = exportCompose(manifestOf(TEXT));
    expect(files.map(({ path }) => path)).to.deep.equal([
      'alpha/docker-compose.yaml',
      'alpha/boothooks/00.cortex/preboot.sh',
      'bravo/docker-compose.yaml',
    ]);
    expect(files[0]?.text).to.equal(ALPHA);
    expect(files[1]).to.deep.include({ text: '#!/bin/sh\ntrue\n', isExecutable: true });
    expect(notes[0]).to.include('01.cortex of 00.cortex');
    expect(exportCompose(manifestOf(TEXT), 'bravo').files).to.have.length(1);
    expect(() => exportCompose(manifestOf(TEXT), 'delta')).to.throw('there are: alpha, bravo');
  });

  it('imports to the same members again', () => {
    const manifest = manifestOf(TEXT);
    let into: string | undefined;
    for (const host of ['alpha', 'bravo']) {
      const [file] = exportCompose(manifest, host).files;
      const read = readCompose({
        file: file?.path ?? '',
        text: file?.text ?? '',
        directory: `/srv/${host}`,
        variables: { CORTEX_ROOT: 'hunter2' },
        readFile: () => undefined,
      });
      expect(read.problems).to.deep.equal([]);
      const imported = importCompose([read], {
        ...{ fleet: 'loop', host, into },
        filesOf: (storage) => ({
          isReadable: true,
          texts: {
            'cell.yaml': 'aha:network: loop\\n'.replace('\\n', '\n'),
            'cell.mods.yaml': `mirror: ${storage.includes('01.') ? 'aha://00.cortex.loop' : 'null'}\n`,
          },
        }),
        containerAt: () => ({ kind: 'none' }),
      });
      into = imported.manifest;
    }
    expect(into).not.to.include('hunter2');
    const membersOf = ({ services }: Manifest) =>
      Object.fromEntries(
        services.flatMap(({ image, limits, stopGraceMs, members }) =>
          members.map((member) => [
            member.name,
            { image, limits, stopGraceMs, ...comparable(member) },
          ]),
        ),
      );
    expect(membersOf(manifestOf(into ?? ''))).to.deep.equal(membersOf(manifest));
  });
});

/** Names of secrets, ports of the host's network and scripts take another form on the way. */
const comparable = ({
  name,
  host,
  upstream,
  storage,
  user,
  command,
  environment,
  mounts,
  ...rest
}: MemberDeclaration) => ({
  ...{ name, host, upstream, storage, user, command, environment },
  secrets: Object.keys(rest.secretEnvironment ?? {}),
  mounts: mounts.filter(({ target }) => !target.startsWith('/vertex/boothooks')),
});

describe('an export as Kubernetes objects', () => {
  const { files, notes } = exportKubernetes(manifestOf(TEXT), { storageSize: '10Gi' });
  interface Found {
    readonly kind: string;
    readonly metadata: { readonly name: string };
  }
  const objects = parseAllDocuments(files[0]?.text ?? '').map((one) => one.toJS() as Found);

  it('has a StatefulSet and a Service for each member, and what they need', () => {
    expect(objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).to.deep.equal([
      'Service aha',
      'StatefulSet aha',
      'ConfigMap cortex-00-boothooks',
      'Service cortex-00',
      'StatefulSet cortex-00',
      'Service cortex-01',
      'StatefulSet cortex-01',
    ]);
    expect(notes.join('\n')).to.include('--from-file=cortex-root=FILE');
    expect(['01.cortex', 'aha', '7', 'a.b'].map(objectName)).to.deep.equal([
      'cortex-01',
      'aha',
      'm-7',
      'a-b',
    ]);
  });

  it('leaves what Kubernetes would read as a variable as it is, and a group with its user', () => {
    const text = TEXT.replace('PRICE: 5$', 'PRICE: $(NAME)').replace(
      'user: "1000"',
      "user: '1000:998', command: ['$(X)']",
    );
    const [written] = exportKubernetes(manifestOf(text), { storageSize: '10Gi' }).files;
    const last = parseAllDocuments(written?.text ?? '')
      .at(-1)
      ?.toJS() as unknown;
    expect(JSON.stringify(last))
      .to.include('"$$(NAME)"')
      .and.include('["$$(X)"]')
      .and.include('{"runAsUser":1000,"runAsGroup":998,"fsGroup":998}');
  });

  it('writes the guide’s probes, and secrets by name', () => {
    const healthcheck = `
      command:
        - python
        - -m
        - synapse.tools.healthcheck
        - -c
        - cell:///vertex/storage`;
    const wanted: unknown = parse(`
terminationGracePeriodSeconds: 90
securityContext: { runAsUser: 1000, fsGroup: 1000 }
containers:
  - name: cortex
    image: vertexproject/synapse-cortex:v2.113.0
    env:
      - { name: SYN_LOG_LEVEL, value: INFO }
      - { name: PRICE, value: 5$ }
      - name: SYN_CORTEX_AUTH_PASSWD
        valueFrom: { secretKeyRef: { name: leafward-secrets, key: cortex-root } }
    resources: { limits: { memory: "2147483648" } }
    volumeMounts:
      - { name: storage, mountPath: /vertex/storage }
      - { name: mount-0, mountPath: /etc/ssl, readOnly: true }
    startupProbe:
      failureThreshold: 2147483647
      timeoutSeconds: 20
      periodSeconds: 20
      exec: ${healthcheck.replaceAll('\n', '\n    ')}
    readinessProbe:
      initialDelaySeconds: 20
      timeoutSeconds: 20
      periodSeconds: 20
      exec: ${healthcheck.replaceAll('\n', '\n    ')}
volumes:
  - { name: mount-0, hostPath: { path: /etc/ssl } }
`);
    const mirror = objects.at(-1) as unknown as { spec: { template: { spec: unknown } } };
    expect(mirror.spec.template.spec).to.deep.equal(wanted);
  });
});
