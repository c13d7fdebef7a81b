import { runInThisContext } from 'node:vm';
import test from 'ava';
import { fingerprintOf } from '../../bridge/config/fingerprint.js';
import { resolveConfig } from '../../bridge/config/resolve.js';
import type { BridgeConfig, Route } from '../../bridge/config/types.js';
import { fingerprintIn, workerIdentity } from '../../bridge/temporal/worker-identity.js';
import { BASE, withRoutes } from './base-config.js';

const printOf = (config: BridgeConfig) => fingerprintOf(resolveConfig(config, { baseDir: '/', env: {} }));
const ofRoute = (route: Partial<Route>) =>
  printOf(withRoutes({ topic: 'orders', workflow: 'fulfilOrder', ...route } as Route));

test('the same configuration has the same fingerprint, of 64 bits', (t) => {
  t.is(printOf(BASE), printOf({ ...BASE }));
  t.regex(printOf(BASE), /^[0-9a-f]{16}$/);
});

test('what decodes, routes, names or converts a record is in it', (t) => {
  const prints = [
    ofRoute({}),
    ofRoute({ decoder: 'text' }),
    ofRoute({ decoder: (value) => value.length }),
    ofRoute({ decoder: (value) => value.byteLength }),
    ofRoute({ decoder: { type: 'schema-registry', url: 'http://a' } }),
    ofRoute({ key: '/id' }),
    ofRoute({ key: (event: { id: string }) => event.id }),
    ofRoute({ filter: () => true }),
    ofRoute({ eventType: 'placed' }),
    ofRoute({ missingKey: 'quarantine' }),
    ofRoute({ id: 'other' }),
    printOf({ ...BASE, idPrefix: 'p:' }),
    printOf({ ...BASE, name: 'other' }),
    printOf({ ...BASE, onUnrouted: 'ignore' }),
    printOf({
      ...BASE,
      temporal: { ...BASE.temporal, dataConverter: { payloadCodecs: [new Reversing('secret')] } },
    }),
    printOf({
      ...BASE,
      temporal: { ...BASE.temporal, dataConverter: { payloadConverterPath: '/app/converter.js' } },
    }),
  ];
  t.is(new Set(prints).size, prints.length);
});

test('where things are, and what is secret, is not', (t) => {
  const elsewhere = {
    ...BASE,
    kafka: { ...BASE.kafka, brokers: ['other:9092'] },
    drainTimeoutMs: 1,
    maxBacklog: 7,
  };
  t.is(printOf(elsewhere), printOf(BASE));
  const codec = (key: string) =>
    printOf({
      ...BASE,
      temporal: { ...BASE.temporal, dataConverter: { payloadCodecs: [new Reversing(key)] } },
    });
  t.is(codec('secret'), codec('another'));
  const registry = (url: string) => ofRoute({ decoder: { type: 'schema-registry', url } });
  t.is(registry('http://user:secret@a/'), registry('http://a/'));
  const converter = (path: string) =>
    printOf({ ...BASE, temporal: { ...BASE.temporal, dataConverter: { payloadConverterPath: path } } });
  t.is(
    converter('/app/converter.js'),
    converter('/srv/converter.js'),
    'a path that differs from image to image',
  );
});

test('white space in a function is no difference', (t) => {
  const made = (text: string) => runInThisContext(`(event) => ${text}`) as (event: unknown) => string;
  t.is(ofRoute({ key: made('event.id + event.at') }), ofRoute({ key: made('event.id\n    +   event.at') }));
});

test("a worker's identity names its fingerprint after what it is called", (t) => {
  const print = printOf(BASE);
  t.is(workerIdentity(print, 'pod-7'), `pod-7 ktb=${print}`);
  t.regex(workerIdentity(print), new RegExp(`^${process.pid}@.+ ktb=${print}$`));
  t.is(fingerprintIn(workerIdentity(print)), print);
  t.is(fingerprintIn('7@host'), undefined);
});

class Reversing {
  readonly key: string;
  constructor(key: string) {
    this.key = key;
  }
  async encode<T>(payloads: T[]): Promise<T[]> {
    return payloads.toReversed();
  }
  async decode<T>(payloads: T[]): Promise<T[]> {
    return payloads.toReversed();
  }
}
