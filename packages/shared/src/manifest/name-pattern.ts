// What a name in a manifest may be. By itself, so that who only checks a name loads no schema.

/** Names become directories, DNS labels and container names: nothing else may be in them. */
export const NAME_PATTERN = /^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/;
