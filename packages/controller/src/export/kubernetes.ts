// A manifest as Kubernetes objects: a StatefulSet of one, its claim and its Service for each member, with the guide's
// probes. Pure; secrets by name only (I14).
import { Document } from 'yaml';
import { HOOKS_TARGET } from '@leafward/shared/manifest/complete-hooks.js';
import type { Manifest } from '@leafward/shared/manifest/types.js';
import {
  containersOf,
  HOOKS,
  lostNotes,
  placedOn,
  type Exported,
  type PlacedMember,
} from './exported.js';

export interface KubernetesOptions {
  readonly host?: string | undefined;
  /** Of each claim: a quantity as Kubernetes takes it. */
  readonly storageSize: string;
}

/** The one Secret that holds all of them, by the manifest's names. */
const SECRET = 'leafward-secrets';
/** The most that Kubernetes takes: a migration or a mirror's first copy is never killed (devops guide, Kubernetes). */
const FOR_EVER = 2_147_483_647;
/** Seconds; the guide's examples. */
const EVERY = { timeoutSeconds: 20, periodSeconds: 20 };

export function exportKubernetes(manifest: Manifest, options: KubernetesOptions): Exported {
  const { containers, notes } = containersOf(placedOn(manifest, options.host));
  const objects = containers.flatMap((placed) => objectsOf(placed, options));
  const secrets = containers.flatMap(({ member }) => Object.values(member.secretEnvironment ?? {}));
  const names = [...new Set(secrets)].sort();
  return {
    files: [
      {
        path: 'kubernetes.yaml',
        text: objects
          .map((object) => new Document(object).toString({ lineWidth: 110 }))
          .join('---\n'),
      },
    ],
    notes: [
      ...notes,
      ...(names.length === 0
        ? []
        : [
            `make the Secret first: kubectl create secret generic ${SECRET} ${names.map((name) => `--from-file=${name}=FILE`).join(' ')}`,
          ]),
      `each claim asks for ${options.storageSize}: say --storage-size; the guide wants twice what a service uses`,
      'there are readiness probes and no liveness probes: a service that is being looked into is not to be killed',
      ...containers.flatMap(({ member }) => hostPathNotes(member)),
      ...lostNotes(containers),
    ],
  };
}

const hostPathNotes = ({ name, mounts }: PlacedMember['member']): readonly string[] =>
  mounts.length === 0
    ? []
    : [
        `${name} mounts ${mounts.map(({ source }) => source).join(', ')} of whatever node it runs on`,
      ];

/** Of a Service: letters first, no dots. cortex-00 of 00.cortex. */
export function objectName(member: string): string {
  const [, number, rest] = /^(\d+)\.(.+)$/.exec(member) ?? [];
  const name = (number === undefined ? member : `${rest ?? ''}-${number}`).replaceAll('.', '-');
  return /^[a-z]/.test(name) ? name : `m-${name}`;
}

function objectsOf(placed: PlacedMember, options: KubernetesOptions): readonly object[] {
  const { service, member } = placed;
  const name = objectName(member.name);
  const labels = { app: service.name, member: name };
  const metadata = { name, labels };
  const hooks = HOOKS.filter((hook) => member.hooks?.[hook] !== undefined);
  return [
    ...(hooks.length === 0
      ? []
      : [
          {
            apiVersion: 'v1',
            kind: 'ConfigMap',
            metadata: { ...metadata, name: `${name}-boothooks` },
            data: Object.fromEntries(hooks.map((hook) => [`${hook}.sh`, member.hooks?.[hook]])),
          },
        ]),
    serviceOf(placed, metadata),
    {
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata,
      spec: {
        serviceName: name,
        replicas: 1,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: podOf(placed) },
        volumeClaimTemplates: [
          {
            metadata: { name: 'storage' },
            spec: {
              accessModes: ['ReadWriteOnce'],
              resources: { requests: { storage: options.storageSize } },
            },
          },
        ],
      },
    },
  ];
}

/** Without ports it only gives the pod its name. */
function serviceOf({ member }: PlacedMember, metadata: { readonly labels: object }): object {
  const ports = Object.entries(member.ports).map(([name, port]) => ({
    name,
    port,
    protocol: 'TCP',
  }));
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata,
    spec: {
      clusterIP: 'None',
      selector: metadata.labels,
      ...(ports.length === 0 ? {} : { ports }),
    },
  };
}

function podOf({ service, member }: PlacedMember): object {
  const { limits, stopGraceMs } = service;
  const ports = Object.entries(member.ports);
  return {
    terminationGracePeriodSeconds: Math.ceil(stopGraceMs / 1000),
    ...securityContextOf(member),
    containers: [
      {
        name: service.name.replaceAll('.', '-'),
        image: service.image,
        ...(member.command.length === 0 ? {} : { args: member.command.map(literal) }),
        ...environmentOf({ service, member }),
        ...(ports.length === 0
          ? {}
          : { ports: ports.map(([name, containerPort]) => ({ name, containerPort })) }),
        ...(limits.memoryBytes === undefined
          ? {}
          : { resources: { limits: { memory: String(limits.memoryBytes) } } }),
        volumeMounts: volumeMountsOf({ service, member }),
        ...(service.kind === 'synapse' ? probesOf(service.storageTarget) : {}),
      },
    ],
    ...volumesOf({ service, member }),
  };
}

/** `999` or `999:998`; a name is its image's own. */
function securityContextOf({ user = '' }: PlacedMember['member']): object {
  const [, uid, gid] = /^(\d+)(?::(\d+))?$/.exec(user) ?? [];
  if (uid === undefined) return {};
  const runAsGroup = gid === undefined ? {} : { runAsGroup: Number(gid) };
  return {
    securityContext: { runAsUser: Number(uid), ...runAsGroup, fsGroup: Number(gid ?? uid) },
  };
}

/** Kubernetes reads $(NAME) as a variable. */
const literal = (text: string): string => text.replaceAll('$(', '$$$$(');

function environmentOf({ member }: PlacedMember): { readonly env?: readonly object[] } {
  const env = [
    ...Object.entries(member.environment).map(([name, value]) => ({
      name,
      value: literal(value),
    })),
    ...Object.entries(member.secretEnvironment ?? {}).map(([name, key]) => ({
      name,
      valueFrom: { secretKeyRef: { name: SECRET, key } },
    })),
  ];
  return env.length === 0 ? {} : { env };
}

function probesOf(storage: string): object {
  const exec = {
    command: ['python', '-m', 'synapse.tools.healthcheck', '-c', `cell://${storage}`],
  };
  return {
    startupProbe: { failureThreshold: FOR_EVER, ...EVERY, exec },
    readinessProbe: { initialDelaySeconds: 20, ...EVERY, exec },
  };
}

function volumeMountsOf({ service, member }: PlacedMember): readonly object[] {
  const hooks = HOOKS.filter((hook) => member.hooks?.[hook] !== undefined);
  return [
    { name: 'storage', mountPath: service.storageTarget },
    ...member.mounts.map(({ target, readOnly }, index) => ({
      name: `mount-${index}`,
      mountPath: target,
      ...(readOnly ? { readOnly } : {}),
    })),
    ...(hooks.length === 0 ? [] : [{ name: 'boothooks', mountPath: HOOKS_TARGET, readOnly: true }]),
  ];
}

function volumesOf({ member }: PlacedMember): { readonly volumes?: readonly object[] } {
  const volumes = [
    ...member.mounts.map(({ source }, index) => ({
      name: `mount-${index}`,
      hostPath: { path: source },
    })),
    ...(member.hooks === undefined
      ? []
      : [
          {
            name: 'boothooks',
            configMap: { name: `${objectName(member.name)}-boothooks`, defaultMode: 0o755 },
          },
        ]),
  ];
  return volumes.length === 0 ? {} : { volumes };
}
