import test from 'ava';
import { temporal } from '../../bridge/temporal/proto.js';
import { mostInASecond, resetTimeOf } from './reset-times.js';

test('the busiest second is found wherever it begins', (t) => {
  t.is(mostInASecond([]), 0);
  t.is(mostInASecond([5_000]), 1);
  // Two by the clock's seconds, four from half to half.
  t.is(mostInASecond([900, 950, 1_000, 1_050, 3_000]), 4);
  t.is(mostInASecond([0, 1_000, 2_000]), 1, 'a second ends before the next one begins');
  t.is(mostInASecond([2_000, 0, 1_999, 500]), 2, 'in whatever order they come');
});

test('a run tells when a Reset made it, and one that no Reset made tells nothing', (t) => {
  const { WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW: reset } = temporal.api.enums.v1.WorkflowTaskFailedCause;
  const eventTime = { seconds: 1_700_000_000 as never, nanos: 250_000_000 };
  t.is(
    resetTimeOf({
      events: [
        { eventTime: { seconds: 1 as never } },
        { eventTime, workflowTaskFailedEventAttributes: { cause: reset } },
      ],
    }),
    1_700_000_000_250,
  );
  t.is(resetTimeOf({ events: [{ eventTime, workflowTaskFailedEventAttributes: { cause: 1 } }] }), undefined);
});
