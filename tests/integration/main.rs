//! tidegate as its users meet it: the real binary, real sockets, and clients and servers that others
//! wrote. One crate for all, so that the SDK is linked once.

mod agreement;
mod answers;
mod budget;
mod check;
mod clean;
mod clients;
mod closed_forms;
mod corrupt;
mod etags;
mod faults;
mod interrupt;
mod kills;
mod limits;
mod load;
mod long;
mod mistakes;
mod neighbour;
mod observe;
mod paste;
mod plan;
mod published;
mod report;
mod resume;
mod secrets;
mod serve;
mod simulate;
mod store;
mod support;
mod surfaces;
mod terminal;
mod tls;
mod transfer;
mod truth;
mod tune;
mod verdicts;
