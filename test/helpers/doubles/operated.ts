import { ApplicationFailure } from '@temporalio/common';
import { resolveConfig } from '../../../bridge/config/resolve.js';
import type { ResolvedConfig } from '../../../bridge/config/resolved.js';
import type { BridgeConfig } from '../../../bridge/config/types.js';
import { BridgeClient } from '../../../bridge/operate/bridge-client.js';
import type { QuarantineInput, QuarantineReason } from '../../../workflows/contract.js';
import type { Step } from '../scripted/steps.js';
import { CapacityDouble } from './capacity-double.js';
import { KafkaViewDouble } from './kafka-view-double.js';
import { OperatorDouble } from './operator-double.js';
import type { StartFields } from './scripted-namespace.js';
import { TemporalDouble } from './temporal-double.js';

function operatedConfig(fields: Partial<BridgeConfig> = {}): ResolvedConfig {
  return resolveConfig(
    {
      name: 'orders',
      kafka: { brokers: ['localhost:9092'], groupId: 'orders' },
      temporal: { taskQueue: 'orders' },
      uiUrl: 'http://ui.test',
      routes: [
        { id: 'placed', topic: 'orders', eventType: 'placed', workflow: 'fulfilOrder' },
        { id: 'paid', topic: 'orders', eventType: 'paid', activity: 'book', key: '/id' },
      ],
      ...fields,
    },
    { baseDir: '/', env: {} },
  );
}

export interface LetterFields extends StartFields {
  readonly route?: string;
  readonly subscription?: string;
  readonly offset?: number;
}

/** A subscription whose handlers fail until they are mended, on doubles. */
export class Operated implements AsyncDisposable {
  readonly config: ResolvedConfig;
  readonly operator: OperatorDouble;
  readonly temporal = new TemporalDouble();
  readonly kafka = new KafkaViewDouble();
  readonly capacity = new CapacityDouble('orders');
  readonly client: BridgeClient;
  /** Whether the cause is mended. */
  mended = false;
  #offset = 0;

  constructor(options: { readonly config?: Partial<BridgeConfig>; readonly visibilityLagMs?: number } = {}) {
    this.config = operatedConfig(options.config);
    this.operator = new OperatorDouble(options);
    this.client = new BridgeClient(this.config, { ports: this });
    Object.assign(this.operator.activities, {
      fine: () => 'fine',
      fails: (workflowId: string) => {
        if (!this.mended)
          throw ApplicationFailure.nonRetryable(`the cause of ${workflowId} is not mended`, 'NotMended');
        return 'mended';
      },
      refuses: () => {
        throw ApplicationFailure.nonRetryable('card 4711 was refused', 'CardRefused');
      },
      dispatch: (_: string, [, given]: readonly unknown[]) => {
        const decision = given as { readonly action?: string } | undefined;
        if (!decision && !this.mended)
          throw ApplicationFailure.nonRetryable('it is not JSON', 'Ktb.undecodable');
        return { outcome: decision?.action === 'drop' ? 'dropped' : 'started' };
      },
    });
    this.operator.poll('orders');
    this.operator.poll('orders-ktb');
  }

  get ports() {
    return { operator: this.operator, temporal: this.temporal, kafka: this.kafka, capacity: this.capacity };
  }

  /** An execution of a record: by default a dead letter. @returns its run's ID */
  record(key: string | null, fields: LetterFields = {}): string {
    const { route = 'placed', subscription = 'orders', offset = this.#offset++, ...start } = fields;
    const steps: readonly Step[] = fields.steps ?? [{ call: 'fine' }, { call: 'fails' }];
    return this.operator.start({
      workflowId: key ?? `ktb/orders/record/orders/0/${offset}@1`,
      workflowType: 'fulfilOrder',
      taskQueue: 'orders',
      hinted: true,
      ...start,
      steps,
      memo: {
        subscription,
        route,
        ...(key === null ? {} : { key }),
        topic: 'orders',
        partition: 0,
        offset: String(offset),
        timestamp: 1,
        processedAt: 2,
        ...start.memo,
      },
      searchAttributes: {
        KtbKey: key ?? undefined,
        KtbRecord: `orders/0/${offset}`,
        ...start.searchAttributes,
      },
    });
  }

  /** A record in quarantine. @returns its workflow's ID */
  quarantined(offset: number, fields: LetterFields & { readonly cause?: QuarantineReason } = {}): string {
    const { cause = 'undecodable', ...start } = fields;
    const workflowId = `ktb/orders/quarantine/orders/0/${offset}@1`;
    const input: QuarantineInput = {
      subscription: 'orders',
      topic: 'orders',
      partition: 0,
      offset: String(offset),
      timestamp: 1,
      reason: cause,
      message: 'it is not JSON',
      route: 'placed',
      preview: '{',
      valueBytes: 1,
      valueSha256: 'abc',
      raw: { key: null, value: Buffer.from('{').toString('base64'), headers: {} },
    };
    this.record(null, {
      workflowId,
      workflowType: 'ktbQuarantine',
      taskQueue: 'orders-ktb',
      hinted: false,
      steps: [{ call: 'dispatch' }],
      args: [input],
      ...start,
      offset,
      memo: { reason: cause, ...start.memo },
    });
    return workflowId;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close();
  }
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const one of items) found.push(one);
  return found;
}
