import { spawnSync } from 'node:child_process';
import test from 'ava';
import { Command, Option } from 'commander';
import { completionScript } from '../../bridge/cli/completion.js';
import { program } from '../../bridge/cli/program.js';
import { startKtb } from '../faults/process.js';

/** Commands below commands, and texts that would break a shell's quotes. */
const nested = () =>
  new Command('ktb').addCommand(
    new Command('quarantine')
      .description("What can't be taken: $(date) `x`. More.")
      .addCommand(
        new Command('list').addOption(new Option('--by <what>', "a reason's").choices(['route', 'reason'])),
      )
      .addCommand(new Command('show').option('--value-to <file>', 'where to')),
  );

/** What bash offers for the last word of a line. */
function offered(script: string, line: string): string[] {
  const words = line.split(' ');
  const ask = `
set -u
${script}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')})
COMP_CWORD=${words.length - 1}
_ktb
printf '%s\\n' "\${COMPREPLY[@]-}"`;
  const { status, stdout, stderr } = spawnSync('bash', ['--norc', '-c', ask], { encoding: 'utf8' });
  if (status !== 0 || stderr !== '') throw new Error(`bash ended with ${status}: ${stderr}`);
  return stdout.split('\n').filter((one) => one !== '');
}

test('ktb completion bash prints a script that completes commands, options and values', async (t) => {
  const ktb = startKtb('ktb', ['completion', 'bash']);
  t.is((await ktb.exited).code, 0);
  t.is(ktb.stderr, '');
  const complete = (line: string) => offered(ktb.stdout, line);
  t.deepEqual(complete('ktb br'), ['bridge']);
  t.deepEqual(complete('ktb bridge --re'), ['--rename', '--report-every']);
  t.deepEqual(complete('ktb worker --log-level '), ['debug', 'info', 'warn', 'error', 'silent']);
  t.deepEqual(complete('ktb worker --log-level w'), ['warn']);
  t.deepEqual(complete('ktb bridge --report-every '), [], 'anything: nothing is offered');
  t.deepEqual(complete('ktb completion '), ['bash', 'zsh', 'fish', '--help']);
  t.deepEqual(complete('ktb bridge --rename --c'), ['--config'], 'after other options');
});

test('an unknown shell is wrong use: 2, and the known ones are named', async (t) => {
  const ktb = startKtb('ktb', ['completion', 'tcsh']);
  t.is((await ktb.exited).code, 2);
  t.is(ktb.stdout, '');
  t.regex(ktb.stderr, /Allowed choices are bash, zsh, fish/);
});

test('every command and each of its options is completed, in every shell', (t) => {
  const bash = completionScript(program(), 'bash');
  const zsh = completionScript(program(), 'zsh');
  const fish = completionScript(program(), 'fish');
  const commands = program().commands;
  const first = offered(bash, 'ktb ');
  for (const command of commands) {
    const name = command.name();
    t.true(first.includes(name), name);
    t.true(zsh.includes(`'${name}:`), name);
    t.true(fish.includes(` -a ${name} `), name);
    const options = offered(bash, `ktb ${name} --`);
    for (const { long } of command.options) {
      t.true(options.includes(long!), `${name} ${long}`);
      t.true(zsh.includes(`'${long}:`), `${name} ${long}`);
      t.true(fish.includes(` -l ${long!.slice(2)} `), `${name} ${long}`);
    }
  }
});

test('commands below commands are completed', (t) => {
  const script = completionScript(nested(), 'bash');
  t.deepEqual(offered(script, 'ktb q'), ['quarantine']);
  t.deepEqual(offered(script, 'ktb quarantine '), ['list', 'show', '--help']);
  t.deepEqual(offered(script, 'ktb quarantine list --'), ['--by', '--help']);
  t.deepEqual(offered(script, 'ktb quarantine list --by r'), ['route', 'reason']);
  t.deepEqual(offered(script, 'ktb list '), ['quarantine', '--help'], 'not without the word before');
});

test('what stands in a description is text in every shell, and one sentence of it', (t) => {
  t.true(
    completionScript(nested(), 'zsh').includes(
      String.raw`'quarantine:What can'\''t be taken: $(date) ` + "`x`'",
    ),
  );
  t.true(
    completionScript(nested(), 'fish').includes(String.raw`-d 'What can\'t be taken: $(date) ` + "`x`'"),
  );
  t.true(
    completionScript(nested(), 'fish').includes(
      `-n '__fish_seen_subcommand_from quarantine; and __fish_seen_subcommand_from list' -l by -x -a 'route reason'`,
    ),
  );
});
