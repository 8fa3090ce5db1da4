"""What happens between epochs: stopping, saving, showing, measuring, logging."""

from gcl.callbacks.checkpoint import Checkpoint
from gcl.callbacks.csv_log import CSVLog
from gcl.callbacks.diagnose import Diagnose
from gcl.callbacks.early_stopping import EarlyStopping
from gcl.callbacks.evaluate import Evaluate
from gcl.callbacks.log import Log
from gcl.callbacks.monitor_meta_nodes import MetaNodes, MonitorMetaNodes
from gcl.callbacks.monitor_weights import MonitorWeights
from gcl.callbacks.progress_bar import ProgressBar
from gcl.training.state import Callback

__all__ = [
    "CSVLog",
    "Callback",
    "Checkpoint",
    "Diagnose",
    "EarlyStopping",
    "Evaluate",
    "Log",
    "MetaNodes",
    "MonitorMetaNodes",
    "MonitorWeights",
    "ProgressBar",
]
