"""The graph wing: from a graph, however it is kept, to a tested model of its nodes.

read             a graph in any of its forms: read_graph
forms            whether a path holds a graph
table            GraphTable, what every source is read into
edge_list        edges of tables, a part at a time
node_list        nodes of tables: names, labels, parts
objects          graphs of NetworkX, PyG, scipy
columns          what is known of nodes, as numbers
structure        what a place in the graph says, where nothing is known
facts            what a graph is, in a few figures
graph            Graph and GraphBatch: tensors with the field's names
adjacency        neighbours, and sums over them at the speed of memory
layers           one paper a file
networks         networks of the layers, and one table of them
propagation      what spreads along the edges without being learned
first_answer     a view, a fitted layer, evened out: in seconds
members          networks that learn beside each other
settings         what a user may set
parts            which node is for what
nodes            NodeClassifier, NodeRegressor
node_model       what they can do once they have learned
newcomers        nodes that came later
receptive_field  what is said of a node rests on this part of the graph
inside           the computational graph of a node, surroundings, edges that count
graph_set        many graphs in any of their forms: read_graphs
summaries        the first answer for whole graphs
graph_networks   networks for them
whole_graphs     GraphClassifier, GraphRegressor
link_split       edges held out, and pairs that are none
link_features    what two nodes have between them
link_networks    embeddings and decoders
link_scores      AUROC, average precision, hits@K, MRR
links            LinkPredictor
words            features that are mostly 0, as lists
node_run         from graph to run folder
page             the report's sections
verbs            what the command line does
"""
