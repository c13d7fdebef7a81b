import { Committer } from '../../bridge/intake/committer.js';
import type { CommitEntry, PartitionLog, RecordSource } from '../../bridge/intake/record-source.js';
import type { SourceRecord } from '../../bridge/record.js';
import { Shaping } from '../../bridge/shaping/shaping.js';
import type { ResolvedRoute } from '../../bridge/config/resolved.js';
import { turn } from '../helpers/doubles/clock.js';
import { deliverable, sourceRecord } from '../helpers/doubles/mapped-records.js';
import { QueueAdmission } from '../../bridge/admission/admission.js';
import { intakeOf, ManualDelivery, P0 } from '../intake/intake-doubles.js';

/** One partition and its group, in memory: members come, die, or go on without knowing that they are none any more. */
export class GroupDouble {
  readonly log: SourceRecord[] = [];
  committed: { readonly position: bigint; readonly reach: bigint | undefined } | undefined;
  #generation = 0;
  readonly members: MemberDouble[] = [];

  produce(key: string | null): void {
    const offset = BigInt(this.log.length);
    const bytes = key === null ? null : Buffer.from(key);
    this.log.push(sourceRecord({ ...P0, offset, key: bytes, timestampMs: 1000 + Number(offset) }));
  }

  /** A new member is given the partition; those before it are not told. */
  join(route: ResolvedRoute, limit: number): MemberDouble {
    const member = new MemberDouble(this, ++this.#generation, route, limit);
    this.members.push(member);
    return member;
  }

  get end(): bigint {
    return BigInt(this.log.length);
  }

  /** @throws where the member is none any more */
  commit(generation: number, [entry]: readonly CommitEntry[]): void {
    if (generation !== this.#generation) throw new Error('ILLEGAL_GENERATION');
    if (entry) this.committed = { position: entry.position, reach: entry.reach };
  }
}

/** A bridge's intake, its stages and what it has under way. */
export class MemberDouble {
  readonly delivery = new ManualDelivery();
  readonly settled: { readonly offset: bigint; readonly outcome: string }[] = [];
  readonly #group: GroupDouble;
  readonly #committer: Committer;
  readonly #intake: ReturnType<typeof intakeOf>['intake'];
  #position: bigint;
  isDead = false;

  constructor(group: GroupDouble, generation: number, route: ResolvedRoute, limit: number) {
    this.#group = group;
    this.delivery.atAbort = () => undefined;
    const source: Pick<RecordSource, 'pause' | 'resume' | 'commit'> = {
      pause: () => undefined,
      resume: () => undefined,
      commit: async (entries) => group.commit(generation, entries),
    };
    const { intake } = intakeOf({
      delivery: this.delivery,
      shaping: new Shaping([route]),
      admission: new QueueAdmission(limit),
      map: async (record) => ({
        ...deliverable({ source: record, route }),
        priority: record.offset % 5n === 0n ? 'high' : 'low',
      }),
      priorityOf: ({ offset }) => (offset % 3n === 0n ? undefined : offset % 5n === 0n ? 'high' : 'low'),
      onSettled: (record, outcome) => this.settled.push({ offset: record.source.offset, outcome }),
    });
    this.#intake = intake;
    this.#committer = new Committer({ source, intake, intervalMs: 1 });
    const log: PartitionLog = { ...P0, start: 0n, end: group.end };
    intake.assigned([P0], true);
    const { committed } = group;
    this.#position = intake.placed(P0, committed?.position, log, committed?.reach)!;
  }

  async poll(count: number): Promise<void> {
    if (this.isDead) return;
    for (let taken = 0; taken < count; taken++) {
      const record = this.#group.log[Number(this.#position)];
      if (record === undefined || this.#intake.offer(record, this.#group.end) === 'full') break;
      this.#position++;
    }
    this.#intake.shouldPause(P0);
    await turn(2);
  }

  async commit(): Promise<void> {
    if (!this.isDead) await this.#committer.flush();
    await turn();
  }

  /** Killed, or told that it is no member: its calls may be on their way still. */
  async die(): Promise<void> {
    if (this.isDead) return;
    this.isDead = true;
    this.#intake.assigned([], true);
    await turn();
  }
}
