/** Epoch ms by a clock that does not jump when somebody sets the machine's: it drifts from it instead. */
export function steadyNow(): number {
  return performance.timeOrigin + performance.now();
}
