import { spawn } from 'node:child_process'

/** How a program ended. */
export interface Ended {
  /** null: it was stopped because it took too long */
  readonly code: number | null
  /** stdout and stderr, as they came */
  readonly text: string
}

/** Runs a program to its end, or stops it and all that it has started. */
export function run(
  command: string,
  args: readonly string[],
  { cwd, env = {}, limit }: { readonly cwd: string; readonly env?: NodeJS.ProcessEnv; readonly limit: number },
): Promise<Ended> {
  return new Promise((done, reject) => {
    // A group of its own, so that nothing of it survives.
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, FORCE_COLOR: '0', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: process.platform !== 'win32',
    })
    const chunks: Buffer[] = []
    let stopped = false
    const stop = (): void => {
      try {
        if (process.platform === 'win32') child.kill('SIGKILL')
        else process.kill(-child.pid!, 'SIGKILL')
      } catch {
        // It has ended already.
      }
    }
    const timer = setTimeout(() => {
      stopped = true
      stop()
    }, limit * 1000)
    process.once('exit', stop)
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    child.on('error', reject)
    child.on('close', (code) => {
      clearTimeout(timer)
      process.off('exit', stop)
      done({ code: stopped ? null : (code ?? 1), text: Buffer.concat(chunks).toString() })
    })
  })
}
