/** An event as far as this question needs it. */
interface Event {
  readonly eventId: number;
  readonly activityId?: string;
  readonly scheduledEventId?: number;
  readonly reset?: boolean;
}

/**
 * Whether an activity's failure stands in the part of a history that a Reset brought along from the run before. Asked
 * where the failure can't say so itself: a time-out, after its process died. Pure.
 */
export function happenedBeforeReset(events: readonly Event[], activityId: string): boolean {
  let scheduled: number | undefined;
  let ended: number | undefined;
  let reset = 0;
  for (const event of events) {
    if (event.activityId === activityId) {
      scheduled = event.eventId;
      ended = undefined;
    }
    if (scheduled !== undefined && event.scheduledEventId === scheduled) ended = event.eventId;
    if (event.reset) reset = event.eventId;
  }
  return ended !== undefined && ended < reset;
}
