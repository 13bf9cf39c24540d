import type { WriteStream } from 'node:tty'
import type { Progress } from './data.ts'

/** Tells a waiting person what is going on: one line that rewrites itself, or plain lines in a log. */
export interface ProgressLine {
  say(what: string): void
  count: Progress
  /** Wipes the line, so that what is printed next starts on a clean one. */
  clear(): void
}

export function progressOn(stream: WriteStream): ProgressLine {
  const write = (line: string): void => {
    stream.write(stream.isTTY ? `\r\u001B[K${line}` : `${line}\n`)
  }
  return {
    say: (what) => write(`… ${what}`),
    count: (table, done, total) => {
      // A log needs no more than the last of these.
      if (stream.isTTY || done === total) write(`… ${table}: ${done} of ${total} rows`)
    },
    clear: () => {
      if (stream.isTTY) stream.write('\r\u001B[K')
    },
  }
}
