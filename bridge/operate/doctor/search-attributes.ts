import { compareSearchAttributes, isCloud, registrationCommands, tcldCommand } from '../search-attributes.js';
import { removalCommand } from '../setup.js';
import { listText, type Check } from './checkup.js';
import { ok, problem, warning, type Observation } from './finding.js';

/** Everything works without them but queries by them; of another type they only mislead. */
export const searchAttributesCheck: Check = {
  name: 'search-attributes',
  needs: ['temporal'],
  look: async ({ config, searchAttributes }) => {
    const { namespace, address } = config.temporal;
    const { present, missing, wrong } = compareSearchAttributes(await searchAttributes());
    const found: Observation[] = [];
    if (wrong.length > 0) {
      found.push(
        problem(
          `Search attributes are registered as something else: ${wrong
            .map(({ name, expected, got }) => `${name} is ${got} instead of ${expected}`)
            .join(', ')}. The bridge leaves them out`,
          `If they are nobody else's, remove them (\`${removalCommand(namespace, wrong)}\`) and run \`ktb setup\`.`,
        ),
      );
    }
    if (missing.length > 0) {
      const how = isCloud(address)
        ? `Run \`${registrationCommands(config.temporal, missing).join('; ')}\`, or \`${tcldCommand(namespace, missing)}\`.`
        : 'Run `ktb setup`.';
      found.push(
        warning(`Search attributes are missing: ${listText(missing)}. Queries by them find nothing`, how),
      );
    }
    return found.length > 0 ? found : [ok(`The search attributes are registered: ${present.join(', ')}`)];
  },
};
