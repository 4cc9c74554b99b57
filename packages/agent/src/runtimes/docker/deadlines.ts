// How long each kind of call to an Engine may take, milliseconds.

export interface EngineDeadlines {
  readonly inspectMs: number;
  readonly listMs: number;
  readonly changeMs: number;
  readonly resolveMs: number;
  readonly pullSilentMs: number;
  readonly pullUnpackMs: number;
  readonly pullMs: number;
  readonly stopSpareMs: number;
}

export const engineDeadlines: EngineDeadlines = {
  inspectMs: 5_000, // answers in 2 ms; longer only when the Engine hangs
  listMs: 15_000,
  changeMs: 60_000, // create, start and remove wait for the disk
  resolveMs: 20_000, // one round trip to a registry, with the Engine's fallbacks from https to http
  pullSilentMs: 30_000, // a healthy download reports several times a second
  pullUnpackMs: 300_000, // a layer of gigabytes is flushed to a slow disk without a word
  pullMs: 3_600_000,
  stopSpareMs: 30_000, // on top of the grace: the kill, and the Engine's own tidying up
};
