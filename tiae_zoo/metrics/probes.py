"""What descriptors know about the classes of their images: nearest neighbours, a linear probe, clusters."""

import torch
from torch import Tensor
from torchmetrics.functional.clustering import adjusted_rand_score, normalized_mutual_info_score

NEIGHBOURS = 5
MAX_ITERATIONS = 1000  # of the linear probe
RESTARTS = 10  # of k-means; the one of least inertia counts


def probe_descriptors(
    bank: Tensor, bank_labels: Tensor, descriptors: Tensor, labels: Tensor, seed: int = 0
) -> dict[str, float]:
    """Score descriptors by the labels of their images.

    Args:
        bank: (N, D), N >= 5, descriptors to learn from.
        bank_labels: int64 (N,), of at least two classes.
        descriptors: (M, D), those that are scored.
        labels: int64 (M,).
        seed: of k-means.

    Returns:
        `knn_accuracy`: 5-nearest-neighbour classifier with the bank as its memory, Euclidean distance.
        `linear_probe_accuracy`: logistic regression (L2 penalty with C = 1) fitted to the bank, all dimensions
        standardised by the bank's mean and deviation.
        `nmi`, `ari`: normalised mutual information and adjusted Rand index of the labels and the k-means clusters
        of `descriptors`, as many clusters as there are classes among `labels`.
        Accuracies and NMI lie in [0, 1], ARI in [-0.5, 1]; all are NaN if a descriptor is not finite.

    Raises:
        ValueError: for fewer than five descriptors in the bank or a single class.

    Example:
        >>> bank, bank_labels = torch.tensor([[0.0], [0.1], [0.2], [5.0], [5.1], [5.2]]), torch.arange(6) // 3
        >>> probe_descriptors(bank, bank_labels, torch.tensor([[0.3], [0.0], [4.9]]), torch.tensor([0, 0, 1]))
        {'knn_accuracy': 1.0, 'linear_probe_accuracy': 1.0, 'nmi': 1.0, 'ari': 1.0}
    """
    # here, because every verb would wait half a second for it
    from sklearn.cluster import KMeans
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if len(bank) < NEIGHBOURS or len(bank_labels.unique()) < 2:
        raise ValueError(
            f"{len(bank)} descriptors of {len(bank_labels.unique())} classes teach nothing. "
            f"Give at least {NEIGHBOURS}, of two classes or more."
        )
    if not (bank.isfinite().all() and descriptors.isfinite().all()):
        return dict.fromkeys(("knn_accuracy", "linear_probe_accuracy", "nmi", "ari"), float("nan"))
    known = bank.double().numpy(force=True), bank_labels.numpy(force=True)
    asked = descriptors.double().numpy(force=True), labels.numpy(force=True)
    neighbours = KNeighborsClassifier(NEIGHBOURS).fit(*known)
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=MAX_ITERATIONS)).fit(*known)
    clusters = KMeans(len(labels.unique()), n_init=RESTARTS, random_state=seed).fit_predict(asked[0])
    found, true = torch.from_numpy(clusters).long(), labels.cpu()
    with torch.sparse.check_sparse_tensor_invariants(False):  # else torch warns of what torchmetrics does inside
        nmi, ari = normalized_mutual_info_score(found, true), adjusted_rand_score(found, true)
    return {
        "knn_accuracy": float(neighbours.score(*asked)),
        "linear_probe_accuracy": float(linear.score(*asked)),
        "nmi": nmi.item(),
        "ari": ari.item(),
    }
