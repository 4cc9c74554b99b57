// What is different about containers that were taken over. Asked once for each container and spec: neither changes
// without becoming another. Never throws.
import type { AdoptionFact, ContainerFact, MemberIntent } from '@leafward/shared/gen/domain.js';
import { specDigestOf } from '@leafward/shared/spec-digest.js';
import type { Runtime } from '../runtimes/runtime.js';

export interface AdoptedReader {
  read(
    intent: MemberIntent,
    container: ContainerFact,
    runtime: Runtime,
    signal: AbortSignal,
  ): Promise<AdoptionFact | undefined>;
}

export function createAdoptedReader(): AdoptedReader {
  const known = new Map<
    string,
    { readonly key: string; readonly fact: AdoptionFact | undefined }
  >();
  return {
    async read({ member, service, spec, adoption }, { id }, runtime, signal) {
      if (adoption === undefined || id === undefined || runtime.adoptionOf === undefined) {
        known.delete(member);
        return undefined;
      }
      const specDigest = specDigestOf(spec);
      const key = `${id} ${specDigest}`;
      const before = known.get(member);
      if (before?.key === key) return before.fact;
      try {
        const fact = await runtime.adoptionOf({ member, service, spec, specDigest }, signal);
        known.set(member, { key, fact });
        return fact;
      } catch {
        return undefined; // asked again at the next look
      }
    },
  };
}
