import test from 'ava';
import { Producer } from '../../bridge/producer/producer.js';
import { resolveProducerConfig } from '../../bridge/producer/resolve-config.js';
import { SenderDouble } from '../helpers/doubles/sender-double.js';
import { SILENT_LOGGER } from './dispatcher-harness.js';

for (const when of ['at the first calls', 'later'] as const) {
  test(`an encoder that takes its time lets no later record of its topic overtake, ${when}`, async (t) => {
    const kafka = new SenderDouble({ t: 1, u: 1 });
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const encoder = async (event: string): Promise<string> => {
      if (event === 'slow') await released;
      return event;
    };
    const config = resolveProducerConfig({ kafka: { brokers: ['127.0.0.1:1'] } });
    const parts = { sender: () => kafka, logger: SILENT_LOGGER };
    const producer = new Producer(config, { encoder }, parts);
    t.teardown(() => producer.close());
    const first = when === 'later' ? ['first'] : [];
    for (const value of first) await producer.send({ topic: 't', value });
    const sends = [
      producer.sendEvent('t', null, 'slow'),
      producer.sendEvent('t', null, 'fast'),
      producer.send({ topic: 't', value: 'plain' }),
    ];
    await producer.send({ topic: 'u', value: 'other topics go on' });
    t.deepEqual(kafka.log('t', 0), first);
    release();
    await Promise.all(sends);
    t.deepEqual(kafka.log('t', 0), [...first, 'slow', 'fast', 'plain']);
  });
}

test('a flush waits for what is being encoded', async (t) => {
  const kafka = new SenderDouble({ t: 1 });
  const config = resolveProducerConfig({ kafka: { brokers: ['127.0.0.1:1'] } });
  const encoder = async (event: string): Promise<string> => {
    await new Promise((resolve) => setTimeout(resolve, 50));
    return event;
  };
  const producer = new Producer(config, { encoder }, { sender: () => kafka, logger: SILENT_LOGGER });
  t.teardown(() => producer.close());
  await producer.send({ topic: 't', value: 'first' });
  void producer.sendEvent('t', null, 'slow');
  await producer.flush();
  t.deepEqual(kafka.log('t', 0), ['first', 'slow']);
});
