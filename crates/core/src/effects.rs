//! What a write does beyond its own table: foreign key actions, triggers, rules. Depends on the plan and the facts alone.
//!
//! Children of the first level are followed by their parent's key values; whatever lies deeper, or was written by a trigger,
//! is a whole table. What cannot be understood is everything.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::{Target, Verb};
use crate::resolve::{self, Base};
use crate::schema::{Action, ColumnKind, Dialect, Facts, ForeignKey, Table, TableKind, TableName};
use crate::triggers::{self, TriggerEffect};

/// A walk that meets more than this is not worth following.
const MAX_STEPS: usize = 2_000;

/// What a write on one target does beyond the rows that it names.
#[derive(Debug, Default)]
pub struct Effects {
    /// It may write anything, for this reason.
    pub everything: Option<String>,
    /// Tables of which any row may change, with the reason.
    pub tables: BTreeMap<TableName, String>,
    /// Children whose rows follow from the parent's.
    pub children: Vec<Child>,
    /// UPDATE: every column that may change. Empty for other verbs.
    pub written: Vec<String>,
    /// A trigger may change the row that is being written.
    pub changes_row: bool,
}

/// A foreign key action on the rows that reference the written row.
#[derive(Debug)]
pub struct Child {
    /// The child table.
    pub table: TableName,
    /// Its referencing columns.
    pub columns: Vec<String>,
    /// The referenced columns, one per column.
    pub parent_columns: Vec<String>,
    /// What happens to the child's rows.
    pub action: Action,
    /// Columns of the child that change; `None`: its rows are deleted.
    pub changed: Option<Vec<String>>,
    /// A trigger of the child may change the row once more.
    pub changes_row: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Insert,
    Update(Vec<String>),
    Delete,
    Any,
}

impl Effects {
    /// The effects of a write on a table of the facts.
    #[must_use]
    pub fn of(target: &Target, table: &Table, facts: &Facts, dialect: Dialect) -> Self {
        let mut walk = Walk {
            facts,
            dialect,
            effects: Self::default(),
            seen: BTreeSet::new(),
        };
        let all = || {
            table
                .columns
                .iter()
                .map(|column| column.name.clone())
                .collect::<Vec<_>>()
        };
        match target.verb {
            Verb::Insert => walk.visit(table, &Event::Insert, true),
            Verb::Delete => walk.visit(table, &Event::Delete, true),
            Verb::Update => {
                let written = walk.update(table, &target.columns);
                walk.effects.changes_row = walk.changes_row(table, &Event::Update(written.clone()));
                walk.effects.written.clone_from(&written);
                walk.visit(table, &Event::Update(written), true);
            }
            Verb::Upsert => {
                walk.visit(table, &Event::Insert, false);
                walk.visit(table, &Event::Update(all()), false);
                if dialect == Dialect::Sqlite {
                    walk.visit(table, &Event::Delete, false);
                }
            }
            Verb::Any => walk.visit(table, &Event::Any, false),
        }
        if let Some(named) = walk.named(&target.named)
            && named.id != table.id
        {
            walk.visit(named, &Event::Any, false);
        }
        walk.effects
    }
}

struct Walk<'a> {
    facts: &'a Facts,
    dialect: Dialect,
    effects: Effects,
    /// Steps that were taken. The first level is a step of its own: a table that references itself is met again below it.
    seen: BTreeSet<(TableName, Event, bool)>,
}

impl<'a> Walk<'a> {
    fn named(&self, name: &TableName) -> Option<&'a Table> {
        self.facts.table(name).or_else(|| {
            if name.schema.is_empty() {
                self.facts.find(None, &name.name)
            } else {
                None
            }
        })
    }

    fn everything(&mut self, reason: String) {
        self.effects.everything.get_or_insert(reason);
    }

    /// The columns that an UPDATE of these columns may change.
    fn update(&self, table: &Table, columns: &[String]) -> Vec<String> {
        let all = columns.is_empty() || self.changes_row(table, &Event::Update(Vec::new()));
        let mut written: Vec<String> = Vec::new();
        for column in &table.columns {
            if all
                || column.generated
                || columns
                    .iter()
                    .any(|name| self.dialect.same_name(name, &column.name))
            {
                written.push(column.name.clone());
            }
        }
        // A column that the facts do not know: nothing is known of what is written.
        let known = |name: &String| table.column(name, self.dialect).is_some();
        if columns.iter().all(known) {
            written
        } else {
            table
                .columns
                .iter()
                .map(|column| column.name.clone())
                .collect()
        }
    }

    /// The table and, in an inheritance tree, every other member of it: a write on one may reach them all.
    fn members(&self, table: &'a Table) -> Vec<&'a Table> {
        if table.kind != TableKind::Partitioned {
            return vec![table];
        }
        let root = resolve::root(table);
        self.facts
            .tables
            .iter()
            .filter(|member| resolve::root(member) == root)
            .collect()
    }

    fn fires(trigger: &crate::schema::Trigger, event: &Event) -> bool {
        match event {
            Event::Insert => trigger.insert,
            Event::Update(_) => trigger.update,
            Event::Delete => trigger.delete,
            Event::Any => true,
        }
    }

    fn changes_row(&self, table: &Table, event: &Event) -> bool {
        table
            .triggers
            .iter()
            .filter(|trigger| Self::fires(trigger, event))
            .any(
                |trigger| match triggers::writes(trigger, &table.id, self.facts, self.dialect) {
                    TriggerEffect::Unknown(_) => true,
                    TriggerEffect::Writes { changes_row, .. } => changes_row,
                },
            )
    }

    fn visit(&mut self, table: &'a Table, event: &Event, first: bool) {
        if self.effects.everything.is_some()
            || !self.seen.insert((table.id.clone(), event.clone(), first))
        {
            return;
        }
        if self.seen.len() > MAX_STEPS {
            self.everything("triggers and foreign keys reach too far to be followed".to_owned());
            return;
        }
        for member in self.members(table) {
            if member.rules {
                if self.dialect == Dialect::Postgres {
                    self.everything(format!("{} has rewrite rules", member.id));
                    return;
                }
                self.table(member, &Event::Any, "a conflict clause of its own");
            }
            self.fire(member, event);
            self.act(member, event, first && table.kind == TableKind::Table);
        }
    }

    fn fire(&mut self, table: &'a Table, event: &Event) {
        for trigger in table
            .triggers
            .iter()
            .filter(|trigger| Self::fires(trigger, event))
        {
            match triggers::writes(trigger, &table.id, self.facts, self.dialect) {
                TriggerEffect::Unknown(reason) => {
                    self.everything(format!(
                        "trigger {} of {} may write anything: {reason}",
                        trigger.name, table.id
                    ));
                }
                TriggerEffect::Writes { tables, .. } => {
                    for written in tables {
                        self.by_name(
                            &written,
                            &format!("trigger {} of {}", trigger.name, table.id),
                        );
                    }
                }
            }
        }
    }

    /// Anything may happen to a table, or to the tables under a view.
    fn by_name(&mut self, name: &TableName, reason: &str) {
        let Some(table) = self.named(name) else {
            self.everything(format!("{reason} writes {name}, which is not known"));
            return;
        };
        if table.kind != TableKind::View {
            self.table(table, &Event::Any, reason);
            return;
        }
        let mut base = Base::default();
        resolve::base(self.facts, self.dialect, table, &mut base);
        if !base.unknown.is_empty() {
            self.everything(format!(
                "{reason} writes the view {name}, which reads {}",
                base.unknown.join(", ")
            ));
        }
        self.visit(table, &Event::Any, false);
        for name in &base.tables {
            if let Some(table) = self.facts.table(name) {
                self.table(table, &Event::Any, reason);
            }
        }
    }

    fn table(&mut self, table: &'a Table, event: &Event, reason: &str) {
        self.effects
            .tables
            .entry(resolve::root(table).clone())
            .or_insert_with(|| reason.to_owned());
        self.visit(table, event, false);
    }

    /// Foreign key actions.
    fn act(&mut self, table: &'a Table, event: &Event, first: bool) {
        let facts = self.facts;
        for (child, key) in facts.children(&table.id) {
            let action = match event {
                Event::Delete => key.on_delete,
                Event::Update(written) if self.references(key, written) => key.on_update,
                Event::Insert | Event::Update(_) => Action::None,
                // TRUNCATE … CASCADE empties children whatever their actions are.
                Event::Any => {
                    self.table(child, &Event::Any, &format!("references {}", table.id));
                    continue;
                }
            };
            let reason = || format!("foreign key to {}", table.id);
            let event = match action {
                Action::None => continue,
                Action::Cascade if *event == Event::Delete => Event::Delete,
                _ => Event::Update(self.update(child, &key.columns)),
            };
            if first && self.followable(table, child, key) {
                let changed = match &event {
                    Event::Update(written) => Some(written.clone()),
                    _ => None,
                };
                self.effects.children.push(Child {
                    table: child.id.clone(),
                    columns: self.stored(child, &key.columns),
                    parent_columns: self.stored(table, &key.parent_columns),
                    action,
                    changed,
                    changes_row: self.changes_row(child, &event),
                });
                self.visit(child, &event, false);
            } else {
                self.table(child, &event, &reason());
            }
        }
    }

    fn references(&self, key: &ForeignKey, written: &[String]) -> bool {
        let same = |column: &String| {
            written
                .iter()
                .any(|name| self.dialect.same_name(name, column))
        };
        key.parent_columns.len() != key.columns.len() || key.parent_columns.iter().any(same)
    }

    fn stored(&self, table: &Table, columns: &[String]) -> Vec<String> {
        columns
            .iter()
            .filter_map(|name| table.column(name, self.dialect))
            .map(|column| column.name.clone())
            .collect()
    }

    /// Whether a parent's values say which rows of the child are meant: both sides compare alike.
    fn followable(&self, parent: &Table, child: &Table, key: &ForeignKey) -> bool {
        let kind = |table: &Table, name: &String| {
            table.column(name, self.dialect).map(|column| column.kind)
        };
        child.kind == TableKind::Table
            && !key.columns.is_empty()
            && key.columns.len() == key.parent_columns.len()
            && key
                .columns
                .iter()
                .zip(&key.parent_columns)
                .all(|(own, referenced)| {
                    let own = kind(child, own);
                    own.is_some()
                        && own == kind(parent, referenced)
                        && own != Some(ColumnKind::Other)
                })
    }
}
