// What an error tells of the statement that it ended.
import test from 'ava'

import { mayHaveHappened } from '../ts/outcome.ts'

const WRITE = 'update t set v = 1'

test('only what the server has said takes a statement back', (t) => {
  for (const code of ['23505', '40001', '40P01', '25P02', '57014', 'P0001', '22012']) {
    t.false(mayHaveHappened({ code, severity: 'ERROR' }, WRITE), code)
    t.true(mayHaveHappened({ code }, WRITE), `${code} of somebody else`)
  }
  for (const code of [
    'EPIPE',
    'ECONNRESET',
    'ETIMEDOUT',
    'ENOTFOUND',
    'CONNECTION_CLOSED',
    'CONNECTION_DESTROYED',
    5,
  ]) {
    t.true(mayHaveHappened(Object.assign(new Error('lost'), { code, syscall: 'write' }), WRITE), String(code))
  }
  for (const code of ['08006', '57P01', '57P02', '57P03', '58030', 'XX000', '40003']) {
    t.true(mayHaveHappened({ code, severity: 'FATAL' }, WRITE), code)
  }
  for (const error of [undefined, null, 'text', new Error('Connection terminated unexpectedly')]) {
    t.true(mayHaveHappened(error, WRITE))
  }
})

test('of several statements some may have been committed', (t) => {
  const error = { code: '22012', severity: 'ERROR' }
  t.true(mayHaveHappened(error, `${WRITE}; commit; select 1 / 0`))
  t.false(mayHaveHappened(error, `${WRITE};  `))
})
