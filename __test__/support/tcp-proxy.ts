/** A proxy in front of a server that cuts connections where a test wants it. */

import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

/**
 * Where a connection is cut: before what was asked reaches the server, once it has, or before the answer reaches the client.
 * `unheard`: before it reaches the server, which takes the connection for open.
 */
export type Cut = 'request' | 'running' | 'answer' | 'unheard'

export interface TcpProxy {
  readonly host: string
  readonly port: number
  /** Cuts the next connection on which a text goes by; settles once that is done. */
  cut(where: Cut, text: string): Promise<void>
  close(): Promise<void>
}

interface Armed {
  readonly where: Cut
  readonly text: string
  readonly done: () => void
}

export async function startProxy(target: { readonly host: string; readonly port: number }): Promise<TcpProxy> {
  const armed: Armed[] = []
  const sockets = new Set<Socket>()
  const take = (chunk: Buffer, from: 'client' | 'server'): Armed | undefined => {
    const at = armed.findIndex(
      ({ where, text }) => (where === 'answer') === (from === 'server') && chunk.includes(text),
    )
    return at === -1 ? undefined : armed.splice(at, 1)[0]
  }
  const server = createServer((client) => {
    const upstream = connect(target)
    let heard = true
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        if (heard) upstream.end()
      })
    }
    client.on('data', (chunk) => {
      const found = take(chunk, 'client')
      if (found?.where === 'request') upstream.destroy()
      else if (found?.where === 'unheard') heard = false
      else upstream.write(chunk)
      if (found === undefined) return
      client.destroy()
      found.done()
    })
    upstream.on('data', (chunk) => {
      const found = take(chunk, 'server')
      if (found === undefined) {
        client.write(chunk)
        return
      }
      client.destroy()
      found.done()
    })
  }).listen(0, target.host)
  await once(server, 'listening')
  return {
    host: target.host,
    port: (server.address() as AddressInfo).port,
    cut: (where, text) => new Promise((done) => armed.push({ where, text, done })),
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
