/** Clocks are slewed by a few ms now and then; a jump is more. */
const JUMP_MS = 100;

/**
 * Milliseconds that never go back. A machine that sleeps stops the process's monotonic clock, and everybody else's leases
 * go on: so a wall clock that jumps ahead counts as well. Set ahead by somebody it ends a lease early, which harms nobody.
 */
export function steadyClock(
  monotonic: () => number = () => performance.now(),
  wall: () => number = Date.now,
): () => number {
  let ahead = wall() - monotonic();
  let slept = 0;
  return () => {
    const now = monotonic();
    const jump = wall() - now - ahead;
    ahead += jump;
    if (jump > JUMP_MS) slept += jump;
    return now + slept;
  };
}
