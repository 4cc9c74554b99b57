// The engines of an agent, each made when it is first needed, with what it needs of the host. Decides nothing.
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import type { Logger } from '@leafward/shared/log.js';
import { specDigestOf } from '@leafward/shared/spec-digest.js';
import type { Runtimes } from '../runtimes/registry.js';
import type { Secrets } from '../secrets.js';
import type { Engine, EngineParts } from './engine.js';
import { engineFactories, engineNameOf } from './registry.js';
import { unknownEngine } from './unknown.js';

export interface EnginesOptions {
  readonly runtimes: Runtimes;
  readonly secrets: Secrets;
  readonly log: Logger;
}

export interface Engines {
  /** One engine for each kind, made when it is first needed. */
  readonly engineOf: (intent: MemberIntent) => Engine;
  /** Closes every link that any of them holds. */
  readonly forgetAll: () => void;
}

export function openEngines({ runtimes, secrets, log }: EnginesOptions): Engines {
  const parts: EngineParts = {
    runtimeOf: (spec) => runtimes.of(spec.runtime),
    containerOf: ({ member, service, spec }) => {
      const environment = secrets.environmentOf(member, spec);
      return { member, service, spec: { ...spec, environment }, specDigest: specDigestOf(spec) };
    },
    redact: (text) => secrets.redact(text),
    log,
  };
  const engines = new Map<string, { readonly engine: Engine; readonly members: Set<string> }>();
  return {
    engineOf: (intent) => {
      const name = engineNameOf(intent);
      const known = engines.get(name) ?? {
        engine: engineFactories[name]?.(parts) ?? unknownEngine(name),
        members: new Set<string>(),
      };
      engines.set(name, known);
      known.members.add(intent.member);
      return known.engine;
    },
    forgetAll: () => {
      for (const { engine, members } of engines.values())
        for (const member of members) engine.forget(member);
    },
  };
}
