/** What `ktb dev` tells the command that it runs. */
export function env(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`Expected ${name} to be set: run this by \`npm run demo\``);
  return value;
}

export function print(line = ''): void {
  process.stdout.write(`${line}\n`);
}
