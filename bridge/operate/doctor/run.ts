import { messageOf } from '../../errors.js';
import { oneLine } from '../../intake/one-line.js';
import { once, type Check, type Checkup } from './checkup.js';
import { kafkaCheck, serverCheck, temporalCheck } from './connections.js';
import { decodersCheck } from './decoders.js';
import { isTrouble, skipped, warning, type CheckName, type Finding, type Observation } from './finding.js';
import { groupCheck, lagCheck, offsetsCheck, subscriptionCheck } from './group.js';
import { idPrefixCheck } from './id-prefix.js';
import { idCaseCheck, idLengthCheck, priorityCheck } from './probe.js';
import { searchAttributesCheck } from './search-attributes.js';
import { retentionCheck, topicsCheck } from './topics.js';
import { backlogCheck, workersCheck } from './workers.js';

/** In the order of `CHECKS`. */
const ALL: readonly Check[] = [
  temporalCheck,
  serverCheck,
  searchAttributesCheck,
  workersCheck,
  backlogCheck,
  idCaseCheck,
  idLengthCheck,
  priorityCheck,
  kafkaCheck,
  topicsCheck,
  groupCheck,
  subscriptionCheck,
  offsetsCheck,
  lagCheck,
  retentionCheck,
  idPrefixCheck,
  decodersCheck,
];

export const CHECK_ORDER: readonly CheckName[] = ALL.map(({ name }) => name);

const SIDES = { temporal: 'Temporal', kafka: 'Kafka' } as const;

/** Looks at everything at once, and tells of it in order. Never throws for what a server does. */
export async function runChecks(
  checkup: Checkup,
  onFinding: (finding: Finding) => void = () => {},
): Promise<readonly Finding[]> {
  const looks = new Map(ALL.map((check) => [check.name, once(() => observed(check))]));
  const lookAt = (name: CheckName) => looks.get(name)!();

  async function observed(check: Check): Promise<readonly Observation[]> {
    for (const side of check.needs) {
      if ((await lookAt(side)).some(isTrouble)) return [skipped(`Not checked: ${SIDES[side]} can't be used`)];
    }
    try {
      return await check.look(checkup);
    } catch (error) {
      return [
        warning(
          `This could not be checked: ${oneLine(messageOf(error))}`,
          'Where it is a right that is missing, run the doctor as somebody who has it; else look again.',
        ),
      ];
    }
  }

  for (const { name } of ALL) void lookAt(name);
  const findings: Finding[] = [];
  for (const { name } of ALL) {
    for (const { level, message, advice } of await lookAt(name)) {
      const finding: Finding = { check: name, level, message: oneLine(message), advice };
      findings.push(finding);
      onFinding(finding);
    }
  }
  return findings;
}
