/** What a scripted workflow does, one after another: on a real worker, and in the double. */
export type Step =
  /** An activity of this name, told the workflow's ID. */
  | { readonly call: string }
  /** Waits until so many signals {@link TELL} have come, in all. */
  | { readonly hear: number }
  /** Fails for a reason of its own. */
  | { readonly fail: string }
  /** Goes on as a new run. */
  | { readonly again: readonly Step[] };

/** What it gives in the end. */
export interface Told {
  readonly results: readonly unknown[];
  readonly heard: readonly unknown[];
}

export const SCRIPTED = 'scripted';
export const TELL = 'tell';

/** The activities of a script: what they throw fails an attempt. The double tells them the workflow's arguments too. */
export type Activities = Readonly<Record<string, (workflowId: string, args: readonly unknown[]) => unknown>>;
