//! How a write's text is extended so that the database itself returns the rows that it changed.
//!
//! Only where it cannot fail or look different: no privileges beyond those the facts show, no policies, a bounded number
//! of rows. Text is added behind the last token where that is possible, so that the positions of errors stay what they are.

use serde::Serialize;

use crate::effects::Effects;
use crate::plan::{Columns, Operand, Rewritable, Target, Verb};
use crate::rewrite::{self, Piece};
use crate::schema::{Action, ColumnKind, Dialect, Facts, Table, TableKind};
use crate::shape::{Imaged, Shape};

/// Rows of which images are taken. One more is asked for, to see that there are more.
pub const LIMIT: usize = 1_000;

/// How to get the images of one write.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "it is data for another language"
)]
pub struct ImagePlan {
    /// Columns whose values are taken.
    pub columns: Vec<String>,
    /// Columns of which only is asked whether they differ.
    pub differs: Vec<String>,
    /// Values before are taken.
    pub old: bool,
    /// Values after are taken.
    pub new: bool,
    /// How.
    pub mode: Mode,
    /// The text to run instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sql: Option<String>,
    /// `sql` answers at most `limit + 1` images and the number of changed rows, and nothing of the caller's.
    pub counted: bool,
    /// Where `sql` has the caller's text; empty: where the caller has it. Of two places for the same piece the first is
    /// where the database looks first.
    pub pieces: Vec<Piece>,
    /// Old values come as one JSON array for each row; null in its place, or `false` in it: there is none.
    pub old_as_json: bool,
    /// Rows.
    pub limit: usize,
    /// The text has a RETURNING of the caller's, whose rows the caller must get.
    pub caller_returns: bool,
    /// `SQLite`: a write that matches no row and takes the write lock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock: Option<String>,
    /// What to select before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Select>,
    /// What to select after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Select>,
}

/// Where images come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Nothing needs an image: the text is run as it is.
    #[default]
    None,
    /// From the write itself.
    Returning,
    /// From reads before and after it, in its transaction.
    Select,
}

/// A read in front of the write or behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Select {
    /// Its text.
    pub sql: String,
    /// Which of the write's parameters it takes: from, to.
    pub parameters: [usize; 2],
}

/// Plans the images of a shape with the schemes that are registered now.
///
/// # Errors
///
/// In words, why there are none; the write is then handled by what its text tells.
pub fn images(shape: &Shape) -> Result<ImagePlan, String> {
    let planned = &shape.planned;
    let write = planned.write().ok_or("it is not a write")?;
    let facts = planned
        .facts
        .as_deref()
        .ok_or("the schema is not known yet")?;
    if planned.epoch != shape.database.epoch() {
        return Err("the schema facts have changed".to_owned());
    }
    let [target] = write.targets.as_slice() else {
        return Err("it writes more than one table".to_owned());
    };
    let rewritable = write
        .rewrite
        .as_ref()
        .ok_or("its text cannot be extended")?;
    let table = target
        .table
        .as_ref()
        .and_then(|name| facts.table(name))
        .ok_or("its table is not known")?;
    let dialect = shape.database.dialect();
    let [effects] = planned.effects(dialect) else {
        return Err("its effects are not known".to_owned());
    };
    if let Some(reason) = &effects.everything {
        return Err(reason.clone());
    }
    if let Some(reason) = effects.tables.get(&table.id) {
        return Err(format!("any row of the table may change: {reason}"));
    }
    if table.kind != TableKind::Table || table.row_security || table.rules {
        return Err("its table is not an ordinary one".to_owned());
    }
    if dialect == Dialect::Postgres && shows_text(table, facts) {
        return Err("its triggers may look at the statement's text".to_owned());
    }
    let builder = Builder {
        shape,
        facts,
        table,
        target,
        effects,
        rewritable,
        dialect,
    };
    let wanted = builder.wanted();
    let told = wanted.columns.iter().all(|column| builder.told(column));
    if told && wanted.differs.is_empty() {
        return Ok(ImagePlan {
            limit: LIMIT,
            ..ImagePlan::default()
        });
    }
    builder.plan(&wanted)
}

/// Whether a trigger may store the text of the statement that fires it, which must be the caller's.
fn shows_text(table: &Table, facts: &Facts) -> bool {
    let shows = |source: &str| source.to_ascii_lowercase().contains("current_query");
    let bodies = || facts.functions.iter().flat_map(|function| &function.bodies);
    !table.triggers.is_empty()
        && (table.triggers.iter().any(|trigger| shows(&trigger.source))
            || bodies().any(|body| shows(&body.source)))
}

/// What is known while an image plan is made.
pub(crate) struct Builder<'a> {
    pub(crate) shape: &'a Shape,
    pub(crate) facts: &'a Facts,
    pub(crate) table: &'a Table,
    pub(crate) target: &'a Target,
    pub(crate) effects: &'a Effects,
    pub(crate) rewritable: &'a Rewritable,
    pub(crate) dialect: Dialect,
}

impl Builder<'_> {
    pub(crate) fn update(&self) -> bool {
        self.target.verb == Verb::Update
    }

    fn written(&self, column: &String) -> bool {
        self.effects.written.contains(column)
    }

    /// Whether WHERE already tells the one value that a column has before and after: an image would say no more.
    fn told(&self, column: &String) -> bool {
        let [conjunction] = self.target.rows.as_slice() else {
            return false;
        };
        let trackable = self
            .table
            .column(column, self.dialect)
            .is_some_and(|column| column.kind != ColumnKind::Other);
        matches!(self.target.verb, Verb::Update | Verb::Delete)
            && trackable
            && !self.written(column)
            && conjunction.iter().any(|term| {
                self.dialect.same_name(&term.column, column)
                    && matches!(term.values.as_slice(), [value] if !matches!(value, Operand::List(_) | Operand::Unknown))
            })
    }

    /// Whether values are compared, besides those that are taken anyway. Without `RETURNING old` only where rows are locked
    /// for other old values: to find out that nothing has changed is not worth it.
    fn tells_what_differs(&self, columns: &[String]) -> bool {
        self.facts.returning_old
            || columns.iter().any(|column| self.written(column)) && self.locked().is_ok()
    }

    /// The columns that schemes and foreign key actions ask for.
    fn wanted(&self) -> Imaged {
        let mut wanted = Imaged::default();
        let mut differs = Vec::new();
        let written = self.update().then_some(self.effects.written.as_slice());
        let registry = self.shape.database.registry();
        if let Some(schemes) = registry.get(&self.table.id).filter(|schemes| !schemes.full) {
            for scheme in schemes
                .list
                .iter()
                .filter(|scheme| scheme.concerns(written))
            {
                wanted.columns.extend(scheme.columns.iter().cloned());
                match &scheme.reads {
                    Columns::Some(reads) => {
                        differs.extend(reads.iter().filter(|read| self.written(read)).cloned());
                    }
                    Columns::All => differs.extend(self.effects.written.iter().cloned()),
                }
            }
        }
        drop(registry);
        for child in self
            .effects
            .children
            .iter()
            .filter(|child| child.action != Action::None)
        {
            if !self.update()
                || child
                    .parent_columns
                    .iter()
                    .any(|column| self.written(column))
            {
                wanted.columns.extend(child.parent_columns.iter().cloned());
            }
        }
        // A virtual column is computed whenever it is read, which may fail, and must not make a write fail. A text that does
        // not tell the value says nothing: the column counts as changed.
        let useless = |column: &String| {
            let known = self.table.column(column, self.dialect);
            known.is_some_and(|column| {
                column.generated && column.kind == ColumnKind::Other || !column.text_tells
            })
        };
        wanted.columns.retain(|column| !useless(column));
        differs.retain(|column| !useless(column));
        wanted.columns.sort_unstable();
        wanted.columns.dedup();
        let postgres = self.update() && self.dialect == Dialect::Postgres;
        if postgres && self.tells_what_differs(&wanted.columns) {
            differs.retain(|column| !wanted.columns.contains(column));
            differs.sort_unstable();
            differs.dedup();
            wanted.differs = differs;
        }
        wanted
    }

    fn plan(&self, wanted: &Imaged) -> Result<ImagePlan, String> {
        let sql = self.shape.sql.as_deref().ok_or("its text was not kept")?;
        let positions =
            rewrite::positions(sql, self.dialect).ok_or("its text cannot be extended")?;
        if positions.returning.is_some() != self.rewritable.returning {
            return Err("its RETURNING is not understood".to_owned());
        }
        let insert = self.target.verb == Verb::Insert;
        let old_differs = self.update()
            && (wanted.columns.iter().any(|column| self.written(column))
                || !wanted.differs.is_empty());
        let full = Imaged {
            columns: wanted.columns.clone(),
            differs: wanted.differs.clone(),
        };
        let imaged = self.shape.planned.image(&full.columns, &full.differs);
        for column in imaged.columns.iter().chain(&imaged.differs) {
            if !self
                .table
                .column(column, self.dialect)
                .is_some_and(|column| column.readable)
            {
                return Err(format!("the column {column} may not be read"));
            }
        }
        match self.target.verb {
            Verb::Insert if !self.rewritable.values || self.shape.tuples.unwrap_or(1) > LIMIT => {
                return Err("the number of its rows is not bounded".to_owned());
            }
            Verb::Insert => {}
            Verb::Upsert if self.dialect == Dialect::Postgres => {
                if !self.rewritable.values || self.shape.tuples.unwrap_or(1) > LIMIT {
                    return Err("the number of its rows is not bounded".to_owned());
                }
            }
            Verb::Update | Verb::Delete if self.rewritable.repeatable => {}
            Verb::Update | Verb::Delete => {
                return Err("its WHERE may not give the same rows twice".to_owned());
            }
            Verb::Upsert | Verb::Any => return Err("any row may have changed".to_owned()),
        }
        let upsert = self.target.verb == Verb::Upsert;
        let plan = ImagePlan {
            new: insert || upsert || self.update(),
            limit: LIMIT,
            caller_returns: positions.returning.is_some(),
            ..ImagePlan::default()
        };
        match self.dialect {
            Dialect::Postgres => self.postgres(
                sql,
                &positions,
                imaged,
                ImagePlan {
                    old: !plan.new || upsert || old_differs,
                    ..plan
                },
            ),
            Dialect::Sqlite if insert => self.sqlite_insert(sql, &positions, imaged, plan),
            Dialect::Sqlite => self.sqlite_select(
                sql,
                &positions,
                imaged,
                ImagePlan {
                    old: true,
                    new: old_differs,
                    ..plan
                },
            ),
        }
    }
}
