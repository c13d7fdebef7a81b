import {
  ApplicationFailure,
  condition,
  continueAsNew,
  defineSignal,
  proxyActivities,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { Step, Told } from './steps.js';

const activities = proxyActivities<Record<string, (workflowId: string) => Promise<unknown>>>({
  startToCloseTimeout: '1m',
  // A second attempt is never made while a test looks.
  retry: { initialInterval: '1h' },
});

const tell = defineSignal<[unknown]>('tell');

export async function scripted(steps: readonly Step[]): Promise<Told> {
  const heard: unknown[] = [];
  setHandler(tell, (one) => void heard.push(one));
  const results: unknown[] = [];
  for (const step of steps) {
    if ('call' in step) results.push(await activities[step.call]!(workflowInfo().workflowId));
    else if ('hear' in step) await condition(() => heard.length >= step.hear);
    else if ('fail' in step) throw ApplicationFailure.nonRetryable(step.fail, 'Scripted');
    else await continueAsNew<typeof scripted>(step.again);
  }
  return { results, heard };
}
