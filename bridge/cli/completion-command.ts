import { Argument, Command } from 'commander';
import { completionScript, SHELLS, type Shell } from './completion.js';

/** @param whole gives the program whose commands are completed, when it is complete itself */
export function completionCommand(whole: () => Command): Command {
  return new Command('completion')
    .description('Print a script that completes commands, options and their values in a shell.')
    .addArgument(new Argument('<shell>', 'which shell').choices(SHELLS))
    .addHelpText(
      'after',
      `
Install it once; a new shell has it. After an update of ktb print it again.

  bash  ktb completion bash > ~/.local/share/bash-completion/completions/ktb
        (with the package bash-completion; else: echo 'source <(ktb completion bash)' >> ~/.bashrc)
  zsh   ktb completion zsh > "\${fpath[1]}/_ktb"
        (with compinit in ~/.zshrc; else: echo 'source <(ktb completion zsh)' >> ~/.zshrc, after compinit)
  fish  ktb completion fish > ~/.config/fish/completions/ktb.fish

Where ktb is a project's own, started by npx: put node_modules/.bin into the PATH, or use an alias.

Examples:
  ktb completion bash
  source <(ktb completion bash)`,
    )
    .action((shell: Shell) => {
      process.stdout.write(completionScript(whole(), shell));
    });
}
