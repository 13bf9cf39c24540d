//! What a write changed, in a form that can be held until its transaction commits and that crosses to JavaScript as JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::schema::TableName;

/// What is known of a row: classes by column, `None` for NULL. A column that is missing has an unknown value.
pub type Row = BTreeMap<String, Option<String>>;

/// One change. The epoch is that of the facts it was computed with: under any other, everything is dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Change {
    /// Nobody knows what changed.
    Everything {
        /// Why, in words.
        reason: String,
        /// The user can help it and should be told.
        #[serde(default)]
        warning: bool,
        /// Facts epoch.
        epoch: u64,
    },
    /// Any row of a table may have changed in any way.
    Table {
        /// The table, or the root of its inheritance tree.
        table: TableName,
        /// Why, in words.
        reason: String,
        /// Facts epoch.
        epoch: u64,
    },
    /// Only rows that look like these before or after.
    Rows {
        /// The table.
        table: TableName,
        /// The columns that may differ between before and after; `None`: rows came or went.
        columns: Option<Vec<String>>,
        /// Old and new rows, as far as they are known.
        rows: Vec<Row>,
        /// Why, in words.
        reason: String,
        /// Facts epoch.
        epoch: u64,
    },
}

impl Change {
    /// The facts epoch that it was computed in.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        match self {
            Self::Everything { epoch, .. }
            | Self::Table { epoch, .. }
            | Self::Rows { epoch, .. } => *epoch,
        }
    }

    /// Why, in words.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Everything { reason, .. }
            | Self::Table { reason, .. }
            | Self::Rows { reason, .. } => reason,
        }
    }
}
