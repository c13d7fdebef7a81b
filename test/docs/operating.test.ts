import { readFileSync } from 'node:fs';
import test from 'ava';
import type { Command } from 'commander';
import { program } from '../../bridge/cli/program.js';

const runbook = readFileSync(new URL('../../docs/operating.md', import.meta.url), 'utf8');

/** `ktb …` in blocks and in running text, each up to the end of its line, its pipe or its comment. */
function commandsOf(text: string): string[] {
  const blocks = [...text.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block]) => block!.split('\n'));
  const inline = [...text.matchAll(/`([^`\n]+)`/g)].map(([, code]) => code!);
  return [...blocks, ...inline]
    .flatMap((line) => line.split(/\||\s#\s/))
    .map((part) => part.trim())
    .filter((part) => /^ktb [a-z]/.test(part));
}

test('every command and every option that the runbook names is there', (t) => {
  const commands = commandsOf(runbook);
  t.true(commands.length > 20, 'the runbook was read');
  for (const line of commands) {
    const words = line
      .replace(/(["']).*?\1/g, '…')
      .split(/\s+/)
      .slice(1);
    let command: Command = program();
    for (const word of words) {
      const next: Command | undefined = command.commands.find((one) => one.name() === word);
      if (!next) break;
      command = next;
    }
    t.not(command.name(), 'ktb', line);
    t.is(command.commands.length, 0, line);
    for (const word of words.filter((one) => one.startsWith('--') && one !== '--help'))
      t.true(
        command.options.some(({ long }) => long === word),
        `${line}: ${word}`,
      );
  }
});
