// Who logs in under a URL: not a part of where it leads. Pure.

/** Without who logs in, and with what password: aha://root@00.cortex.loop → aha://00.cortex.loop. */
export const withoutUser = (url: string): string =>
  url.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^@/]*@/i, '$1');
