import { spawn } from 'node:child_process'

/** What a program left behind. */
export interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface ExecuteOptions {
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
  /** the exit code may be any */
  readonly mayFail?: boolean
}

/** A program that hangs is a failure, not a reason to hang, too. */
const PATIENCE_MS = 300_000

/** Runs a program to its end. @throws Error with what it said when it fails. */
export function execute(
  command: string,
  args: readonly string[],
  { cwd, env = {}, mayFail = false }: ExecuteOptions,
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const { NODE_ENV: _, NODE_OPTIONS: __, ...inherited } = process.env
    const child = spawn(command, args, {
      cwd,
      env: { ...inherited, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: PATIENCE_MS,
      killSignal: 'SIGKILL',
    })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (chunk) => (stdout += String(chunk)))
    child.stderr.on('data', (chunk) => (stderr += String(chunk)))
    child.on('error', reject)
    child.on('close', (code) => {
      if (code === 0 || mayFail) resolve({ code, stdout, stderr })
      else
        reject(new Error(`${[command, ...args].join(' ')} ended with ${code}\n${`${stdout}\n${stderr}`.slice(-3000)}`))
    })
  })
}
