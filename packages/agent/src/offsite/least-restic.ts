// The oldest restic whose words are known here.

/** Of Debian 12. */
export const LEAST_RESTIC = '0.14.0';
