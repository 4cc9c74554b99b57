// The version of Leafward that this is; the same in every package.
export const VERSION = '0.1.0';
