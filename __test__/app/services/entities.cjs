'use strict'

const { sql } = require('kysely')
const { jsonArrayFrom } = require('kysely/helpers/postgres')

/** What every module can do with its entities. */
class Entities {
  constructor(db, mark) {
    this.db = db
    this.mark = mark
  }

  one(table, id) {
    return this.db.selectFrom(table).selectAll().where('id', '=', id).executeTakeFirst()
  }

  list(table, tenantId, status) {
    return this.db
      .selectFrom(table)
      .select(['id', 'title', 'amount', 'status', 'labels'])
      .where('tenantId', '=', tenantId)
      .where('status', '=', status)
      .orderBy('id')
      .limit(20)
      .execute()
  }

  discussion(table, id) {
    return this.db
      .selectFrom(`${table} as e`)
      .select((eb) => [
        'e.id',
        'e.title',
        jsonArrayFrom(
          eb
            .selectFrom(`${table}Comment as c`)
            .leftJoin('users as u', 'u.id', 'c.authorId')
            .select(['c.id', 'c.replyTo', 'c.body', 'u.name'])
            .whereRef('c.entityId', '=', 'e.id')
            .orderBy('c.id'),
        ).as('comments'),
        jsonArrayFrom(
          eb
            .selectFrom(`${table}Tag as et`)
            .innerJoin('tags as t', 't.id', 'et.tagId')
            .select('t.name')
            .whereRef('et.entityId', '=', 'e.id')
            .orderBy('t.id'),
        ).as('tags'),
      ])
      .where('e.id', '=', id)
      .executeTakeFirst()
  }

  thread(table, commentId) {
    return this.mark(
      this.db
        .withRecursive('thread', (qb) =>
          qb
            .selectFrom(`${table}Comment`)
            .select(['id', 'replyTo', 'body'])
            .where('id', '=', commentId)
            .unionAll(
              qb
                .selectFrom(`${table}Comment as c`)
                .innerJoin('thread as t', 't.id', 'c.replyTo')
                .select(['c.id', 'c.replyTo', 'c.body']),
            ),
        )
        .selectFrom('thread')
        .selectAll()
        .orderBy('id'),
    ).execute()
  }

  owned(table, ownerId) {
    return this.db
      .selectFrom(table)
      .select((eb) => [eb.fn.countAll().as('n'), eb.fn.sum('amount').as('amount')])
      .where('ownerId', '=', ownerId)
      .executeTakeFirstOrThrow()
  }

  files(table, entityId) {
    return this.db
      .selectFrom(`${table}File as ef`)
      .leftJoin('files as f', 'f.id', 'ef.fileId')
      .select(['ef.id', 'f.path', 'f.content', 'ef.commentId'])
      .where('ef.entityId', '=', entityId)
      .orderBy('ef.id')
      .execute()
  }

  create(table, row) {
    return this.db.insertInto(table).values(row).returning('id').execute()
  }

  retitle(table, id, title) {
    return this.db.updateTable(table).set({ title }).where('id', '=', id).execute()
  }

  advance(table, tenantId, from, to) {
    return this.db
      .updateTable(table)
      .set({ status: to })
      .where('tenantId', '=', tenantId)
      .where('status', '=', from)
      .execute()
  }

  handOver(table, from, to) {
    return this.db
      .updateTable(table)
      .from('users as u')
      .set((eb) => ({ ownerId: eb.ref('u.id') }))
      .whereRef('u.tenantId', '=', `${table}.tenantId`)
      .where('u.id', '=', to)
      .where(`${table}.ownerId`, '=', from)
      .execute()
  }

  comment(table, row) {
    return this.db.insertInto(`${table}Comment`).values(row).returning('id').execute()
  }

  label(table, entityId, tagId) {
    return this.db.insertInto(`${table}Tag`).values({ entityId, tagId }).execute()
  }

  merge(table, id, data) {
    return this.db
      .updateTable(table)
      .set({ data: sql`data || ${JSON.stringify(data)}::text::jsonb`, version: sql`version + 1` })
      .where('id', '=', id)
      .returning(['data', 'version'])
      .execute()
  }

  remove(table, id) {
    return this.db.deleteFrom(table).where('id', '=', id).execute()
  }

  removeComment(table, id) {
    return this.db.deleteFrom(`${table}Comment`).where('id', '=', id).execute()
  }

  removeFile(id) {
    return this.db.deleteFrom('files').where('id', '=', id).execute()
  }
}

module.exports = { Entities }
