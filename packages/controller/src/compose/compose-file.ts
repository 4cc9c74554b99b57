// What a compose file says of its services, as far as it matters for cells. Types only.

/** Something of a file that could not be used, or that somebody has to look at. */
export interface Place {
  readonly file: string;
  readonly line?: number | undefined;
}

export interface ComposeProblem extends Place {
  readonly message: string;
}

export interface ComposeVolume {
  /** Absolute on the host. */
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
  /** Of a named volume: its name at the Engine. */
  readonly volume?: string | undefined;
}

export interface ComposePort {
  readonly host: number;
  readonly container: number;
  readonly address?: string | undefined;
}

export interface ComposeVariable {
  readonly value: string;
  readonly from: Place;
}

export interface ComposeService extends Place {
  readonly name: string;
  readonly project: string;
  readonly containerName?: string | undefined;
  readonly image: string;
  readonly user?: string | undefined;
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, ComposeVariable>>;
  readonly volumes: readonly ComposeVolume[];
  readonly ports: readonly ComposePort[];
  readonly networkMode: string;
  readonly restart?: string | undefined;
  readonly stopGraceMs?: number | undefined;
  readonly openFiles?: number | undefined;
  readonly memoryBytes?: number | undefined;
  readonly dependsOn: readonly string[];
  /** Keys that mean something and have no place in a manifest. */
  readonly leftOut: readonly string[];
}

export interface ReadCompose {
  readonly services: readonly ComposeService[];
  readonly problems: readonly ComposeProblem[];
}
