'use strict'

const { sql } = require('kysely')

/** Tenants, users, roles, notes behind a policy, the queue, the audit. */
class People {
  constructor(db, mark) {
    this.db = db
    this.mark = mark
  }

  user(id) {
    return this.db.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
  }

  byEmail(tenantId, email) {
    return this.db
      .selectFrom('users')
      .select(['id', 'name', 'status'])
      .where('tenantId', '=', tenantId)
      .where('email', '=', email)
      .executeTakeFirst()
  }

  named(id) {
    return this.mark(
      this.db
        .selectFrom('users as u')
        .select(['u.id', sql`full_name(u)`.as('fullName')])
        .where('u.id', '=', id),
    ).execute()
  }

  reports(managerId) {
    return this.db
      .selectFrom('users')
      .select(['id', 'name', 'managerId'])
      .where('managerId', '=', managerId)
      .where('deletedAt', 'is', null)
      .orderBy('id')
      .execute()
  }

  permissions(userId) {
    return this.db
      .selectFrom('userRoles as ur')
      .innerJoin('roles as r', 'r.id', 'ur.roleId')
      .select(['r.name', 'r.permissions'])
      .where('ur.userId', '=', userId)
      .orderBy('r.id')
      .execute()
  }

  tenant(id) {
    return this.db.selectFrom('tenants').selectAll().where('id', '=', id).executeTakeFirst()
  }

  sizes() {
    return this.db
      .selectFrom('tenants as t')
      .leftJoin('users as u', 'u.tenantId', 't.id')
      .select((eb) => ['t.id', 't.plan', eb.fn.count('u.id').as('users')])
      .groupBy(['t.id', 't.plan'])
      .orderBy('t.id')
      .execute()
  }

  /** Changes nothing that most results hold. */
  seen(id, at) {
    return this.db.updateTable('users').set({ lastSeenAt: at }).where('id', '=', id).execute()
  }

  setStatus(id, status) {
    return this.db.updateTable('users').set({ status }).where('id', '=', id).execute()
  }

  invite(row) {
    return this.db.insertInto('users').values(row).returning('id').execute()
  }

  grant(userId, roleId, grantedBy) {
    return this.db
      .insertInto('userRoles')
      .values({ userId, roleId, grantedBy })
      .onConflict((oc) => oc.doNothing())
      .execute()
  }

  removeUser(id) {
    return this.db.deleteFrom('users').where('id', '=', id).execute()
  }

  removeTenant(id) {
    return this.db.deleteFrom('tenants').where('id', '=', id).execute()
  }

  configure(id, key, value) {
    return this.db
      .updateTable('tenants')
      .set({ settings: sql`settings || jsonb_build_object(${key}::text, ${value}::int)` })
      .where('id', '=', id)
      .returning('settings')
      .execute()
  }

  /** ON UPDATE CASCADE into every table that has a status. */
  recode(code, to) {
    return this.db.updateTable('statuses').set({ code: to }).where('code', '=', code).execute()
  }

  statuses() {
    return this.db.selectFrom('statuses').selectAll().orderBy('position').execute()
  }

  /** SET DEFAULT. */
  removeStatus(code) {
    return this.db.deleteFrom('statuses').where('code', '=', code).execute()
  }

  addStatus(code) {
    return this.db
      .insertInto('statuses')
      .values({ code, label: code.toUpperCase(), position: 99 })
      .onConflict((oc) => oc.column('code').doUpdateSet({ position: 98 }))
      .execute()
  }

  /** What the policy shows to one tenant. */
  notes(tenantId) {
    return this.db.transaction().execute(async (trx) => {
      await sql`select set_config('app.tenant', ${String(tenantId)}, true)`.execute(trx)
      return trx.selectFrom('notes').select(['id', 'body']).orderBy('id').execute()
    })
  }

  addNote(tenantId, asTenant, body) {
    return this.db.transaction().execute(async (trx) => {
      await sql`select set_config('app.tenant', ${String(asTenant)}, true)`.execute(trx)
      return trx.insertInto('notes').values({ tenantId, body }).returning('id').execute()
    })
  }

  allNotes() {
    return this.db.selectFrom('notes').select(['id', 'body']).orderBy('id').execute()
  }

  enqueue(queue, payload) {
    return this.db.insertInto('jobs').values({ queue, payload }).returning('id').execute()
  }

  work(queue, fails) {
    return this.db.transaction().execute(async (trx) => {
      const job = await trx
        .selectFrom('jobs')
        .select(['id', 'payload'])
        .where('queue', '=', queue)
        .where('state', '=', 'queued')
        .orderBy('id')
        .limit(1)
        .forUpdate()
        .skipLocked()
        .executeTakeFirst()
      if (job === undefined) return 'idle'
      await trx
        .updateTable('jobs')
        .set((eb) => ({ state: fails ? 'failed' : 'done', attempts: eb('attempts', '+', 1) }))
        .where('id', '=', job.id)
        .execute()
      return job
    })
  }

  queueSizes() {
    return this.mark(
      this.db
        .selectFrom('jobs')
        .select((eb) => ['queue', 'state', eb.fn.countAll().as('n')])
        .groupBy(['queue', 'state'])
        .orderBy('queue')
        .orderBy('state'),
    ).execute()
  }

  /** One at a time in the whole cluster. */
  exclusively(key, area) {
    return this.db.transaction().execute(async (trx) => {
      await sql`select pg_advisory_xact_lock(${key}::int)`.execute(trx)
      const { value } = await trx
        .selectFrom('counters')
        .select('value')
        .where('id', '=', area)
        .executeTakeFirstOrThrow()
      return trx
        .updateTable('counters')
        .set({ value: String(BigInt(value) + 1n) })
        .where('id', '=', area)
        .returning('value')
        .execute()
    })
  }

  counters(area) {
    return this.db.selectFrom('counters').select(['id', 'value']).where('area', '=', area).orderBy('id').execute()
  }

  history(table, rowId) {
    return this.db
      .selectFrom('auditLog')
      .select(['action', 'oldRow', 'newRow'])
      .where('tableName', '=', table)
      .where('rowId', '=', rowId)
      .orderBy('id', 'desc')
      .limit(5)
      .execute()
  }

  audited() {
    return this.db
      .selectFrom('auditLog')
      .select((eb) => ['tableName', eb.fn.countAll().as('n')])
      .groupBy('tableName')
      .orderBy('tableName')
      .execute()
  }

  /** Everything that is written is taken back. */
  rehearse(id) {
    return this.db.transaction().execute(async (trx) => {
      await trx.deleteFrom('users').where('id', '=', id).execute()
      const left = await trx
        .selectFrom('users')
        .select((eb) => eb.fn.countAll().as('n'))
        .executeTakeFirstOrThrow()
      await sql`select 1 / 0 as never where ${left.n}::int >= 0`.execute(trx)
    })
  }
}

module.exports = { People }
