import type { z } from 'zod';
import { expectation, unknownField } from './problems.js';

type Issue = z.core.$ZodIssue;

/** A sentence for each problem that a schema has with a configuration. */
export function problemsOf(config: unknown, schema: z.ZodType): readonly string[] {
  const issues = schema.safeParse(config).error?.issues ?? [];
  return issues.flatMap((issue) => sentences(config, issue));
}

function sentences(config: unknown, issue: Issue): readonly string[] {
  if (issue.code === 'unrecognized_keys') {
    const known = JSON.parse(issue.message) as string[];
    return issue.keys.map((one) => unknownField(issue.path, one, known));
  }
  return [expectation(config, issue.path, issue.message)];
}
