/**
 * Completion for shells, as scripts that know every command: nothing has to be started at a Tab, and loading Temporal's
 * SDK would take a second each time. They are made from commander's own program, so no command can be forgotten.
 */
import type { Command, Option } from 'commander';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

interface Flag {
  /** `-c`, `--config`. */
  readonly names: readonly string[];
  readonly description: string;
  readonly takes: 'nothing' | 'anything' | 'a file' | readonly string[];
}

interface Entry {
  /** The command's words after `ktb`, as in `quarantine list`; empty for ktb itself. */
  readonly path: string;
  readonly description: string;
  readonly flags: readonly Flag[];
  /** The commands below it. */
  readonly commands: readonly { readonly name: string; readonly description: string }[];
  /** The words that its arguments may be. */
  readonly words: readonly string[];
}

export function completionScript(program: Command, shell: Shell): string {
  const entries = entriesOf(program, '');
  const name = program.name();
  switch (shell) {
    case 'bash':
      return bash(name, entries);
    case 'zsh':
      return zsh(name, entries);
    case 'fish':
      return fish(name, entries);
  }
}

function entriesOf(command: Command, path: string): Entry[] {
  const below = command.commands.map((one) => ({
    name: one.name(),
    description: sentence(one.description()),
  }));
  const entry: Entry = {
    path,
    description: sentence(command.description()),
    flags: [
      ...command.options.map(flagOf),
      { names: ['-h', '--help'], description: 'show help', takes: 'nothing' },
    ],
    commands: below,
    words: command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices),
  };
  return [
    entry,
    ...command.commands.flatMap((one) => entriesOf(one, path === '' ? one.name() : `${path} ${one.name()}`)),
  ];
}

function flagOf(option: Option): Flag {
  const names = [option.short, option.long].filter((one) => one !== undefined && one !== null);
  const takesValue = option.required || option.optional;
  const file = /<(file|path|dir|folder)>/.test(option.flags);
  return {
    names,
    description: sentence(option.description),
    takes: takesValue ? (option.argChoices ?? (file ? 'a file' : 'anything')) : 'nothing',
  };
}

/** The first sentence, without its end: there is one line for it. */
function sentence(text: string): string {
  return text.split(/\.(?:\s|$)|\n/)[0]!.trim();
}

/** For single quotes in bash and zsh. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** Of `case` in bash and zsh: each command that there is, as the words before and the new one. */
function stepPatterns(entries: readonly Entry[]): string {
  return entries
    .flatMap(({ path, commands }) => commands.map(({ name }) => quoted(`${path} ${name}`)))
    .join(' | ');
}

interface ValueWays {
  /** Stands before a pattern of `case`. */
  readonly open: '' | '(';
  readonly anything: string;
  readonly file: string;
  readonly words: (values: readonly string[]) => string;
}

/** What follows an option that takes a value, as arms of `case`. */
function valueArms(entries: readonly Entry[], ways: ValueWays): string {
  const wayOf = ({ takes }: Flag) =>
    takes === 'a file' ? ways.file : typeof takes === 'string' ? ways.anything : ways.words(takes);
  return entries
    .flatMap(({ path, flags }) =>
      flags
        .filter(({ takes }) => takes !== 'nothing')
        .map((flag) => {
          const patterns = flag.names.map((name) => quoted(`${path} ${name}`)).join(' | ');
          return `    ${ways.open}${patterns}) ${wayOf(flag)}; return ;;\n`;
        }),
    )
    .join('');
}

function bash(name: string, entries: readonly Entry[]): string {
  const wordsOf = ({ commands, words, flags }: Entry) =>
    [...commands.map((one) => one.name), ...words, ...flags.map(({ names }) => names.at(-1)!)].join(' ');
  return `# ${name} completion for bash: source it, or see \`${name} completion --help\`
_${name}() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" command= words= i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$command \${COMP_WORDS[i]}" in
      ${stepPatterns(entries)}) command="\${command:+$command }\${COMP_WORDS[i]}" ;;
    esac
  done
  case "$command $previous" in
${valueArms(entries, {
  open: '',
  anything: ':',
  file: 'compopt -o default 2>/dev/null',
  words: (values) => `COMPREPLY=($(compgen -W ${quoted(values.join(' '))} -- "$current"))`,
})}  esac
  case "$command" in
${entries.map((entry) => `    ${quoted(entry.path)}) words=${quoted(wordsOf(entry))} ;;\n`).join('')}  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _${name} ${name}
`;
}

function zsh(name: string, entries: readonly Entry[]): string {
  const described = (word: string, description: string) =>
    quoted(description === '' ? word : `${word.replaceAll(':', '\\:')}:${description}`);
  const commandsOf = ({ commands, words }: Entry) =>
    [...commands.map((one) => described(one.name, one.description)), ...words.map(quoted)].join(' ');
  const flagsOf = ({ flags }: Entry) =>
    flags.map(({ names, description }) => described(names.at(-1)!, description)).join(' ');
  return `#compdef ${name}
# ${name} completion for zsh: see \`${name} completion --help\`
_${name}() {
  local command= i
  local -a commands options
  for ((i = 2; i < CURRENT; i++)); do
    case "$command \${words[i]}" in
      (${stepPatterns(entries)}) command="\${command:+$command }\${words[i]}" ;;
    esac
  done
  case "$command \${words[CURRENT-1]}" in
${valueArms(entries, {
  open: '(',
  anything: ':',
  file: '_files',
  words: (values) => `compadd -- ${values.map(quoted).join(' ')}`,
})}  esac
  case "$command" in
${entries.map((entry) => `    (${quoted(entry.path)}) commands=(${commandsOf(entry)}) options=(${flagsOf(entry)}) ;;\n`).join('')}  esac
  (( $#commands )) && _describe 'command' commands
  _describe -o 'option' options
}
if [[ $funcstack[1] == _${name} ]]; then _${name} "$@"; else compdef _${name} ${name}; fi
`;
}

function fish(name: string, entries: readonly Entry[]): string {
  const text = (words: string) => `'${words.replaceAll('\\', '\\\\').replaceAll("'", String.raw`\'`)}'`;
  const valueOf = (takes: Flag['takes']) => {
    if (takes === 'nothing') return '';
    if (takes === 'a file') return ' -r -F';
    return takes === 'anything' ? ' -x' : ` -x -a ${text(takes.join(' '))}`;
  };
  const lines = entries.flatMap((entry) => {
    const within = entry.path.split(' ').filter((word) => word !== '');
    const seen = within.map((word) => `__fish_seen_subcommand_from ${word}`);
    const names = entry.commands.map((one) => one.name);
    const noneBelow = names.length === 0 ? [] : [`not __fish_seen_subcommand_from ${names.join(' ')}`];
    const here = (conditions: readonly string[]) =>
      conditions.length === 0 ? '' : ` -n ${text(conditions.join('; and '))}`;
    const start = `complete -c ${name}${here([...seen, ...noneBelow])}`;
    return [
      ...entry.commands.map((one) => `${start} -a ${one.name} -d ${text(one.description)}`),
      ...(entry.words.length === 0 ? [] : [`${start} -a ${text(entry.words.join(' '))}`]),
      ...entry.flags.map(({ names, description, takes }) => {
        const flags = names.map((flag) =>
          flag.startsWith('--') ? ` -l ${flag.slice(2)}` : ` -s ${flag.slice(1)}`,
        );
        const value = valueOf(takes);
        return `${start}${flags.join('')}${value} -d ${text(description)}`;
      }),
    ];
  });
  return `# ${name} completion for fish: see \`${name} completion --help\`\ncomplete -c ${name} -f\n${lines.join('\n')}\n`;
}
